/**
 * Status of a shard, for people and programs.
 *
 * A status is a plain object, not a class instance, as exporters ask for thousands of them at once.
 */
import * as Schema from "effect/Schema"
import { GatewayErrorReason } from "./GatewayError.ts"
import { ShardId } from "./ShardId.ts"

/**
 * Every state of a shard.
 *
 * @category constants
 * @since 0.1.0
 */
export const shardStates = [
  "connecting",
  "greeting",
  "queued",
  "identifying",
  "resuming",
  "ready",
  "waiting",
  "stopped"
] as const

/**
 * The state of a shard:
 *
 * - `connecting`: asking for the gateway's URL, or opening the WebSocket
 * - `greeting`: the WebSocket is open, HELLO is outstanding
 * - `queued`: waiting for its turn to IDENTIFY
 * - `identifying`: IDENTIFY is sent, READY is outstanding
 * - `resuming`: RESUME is sent, missed payloads are replayed, RESUMED is outstanding
 * - `ready`: the session is established, all payloads are new
 * - `waiting`: between two connections
 * - `stopped`: ended for good, by a fatal error or by the program
 *
 * @category models
 * @since 0.1.0
 */
export type ShardState = (typeof shardStates)[number]

/**
 * Schema of a status. As JSON, `since` is ISO 8601, `latency` is in milliseconds, and unknown values are left out.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ShardStatus = Schema.Struct({
  shard: ShardId,
  state: Schema.Literals(shardStates),
  /** Time of the last change of `state`. */
  since: Schema.DateTimeUtcFromString,
  sessionId: Schema.OptionFromOptionalKey(Schema.String),
  /** Sequence for a RESUME. */
  sequence: Schema.OptionFromOptionalKey(Schema.Int),
  /** Time from the last heartbeat that was acknowledged to its acknowledgement. */
  latency: Schema.OptionFromOptionalKey(Schema.DurationFromMillis),
  /** Number of payloads that wait to be sent. */
  waitingToSend: Schema.Int,
  /** Number of connections and attempts that have ended since the start. */
  reconnects: Schema.Int,
  /** Reason for the last connection's end. */
  lastReason: Schema.OptionFromOptionalKey(GatewayErrorReason)
})

/**
 * Status of a shard at one moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface ShardStatus extends Schema.Schema.Type<typeof ShardStatus> {}
