/**
 * How a shard is doing, for people and programs that ask.
 *
 * A status is a plain object, so that it costs nothing to make: exporters ask for those of thousands of shards at once.
 */
import * as Schema from "effect/Schema"
import { GatewayErrorReason } from "./GatewayError.ts"
import { ShardId } from "./ShardId.ts"

/** Every state that a shard can be in. */
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
 * - `connecting`: asking where to connect, or opening the WebSocket
 * - `greeting`: the WebSocket is open, HELLO has not come
 * - `queued`: waiting for its turn to IDENTIFY
 * - `identifying`: IDENTIFY is sent, READY has not come
 * - `resuming`: RESUME is sent, what was missed is coming, RESUMED has not come
 * - `ready`: everything that comes is new
 * - `waiting`: between two connections
 * - `stopped`: for good, by a fatal error or by the program
 */
export type ShardState = (typeof shardStates)[number]

/** A shard at one moment. As JSON, `since` is ISO 8601 and `latency` is in milliseconds; what is not known is left out. */
export const ShardStatus = Schema.Struct({
  shard: ShardId,
  state: Schema.Literals(shardStates),
  /** When it came into this state. */
  since: Schema.DateTimeUtcFromString,
  sessionId: Schema.OptionFromOptionalKey(Schema.String),
  /** The sequence that we would resume from. */
  sequence: Schema.OptionFromOptionalKey(Schema.Int),
  /** Time from the last heartbeat that was acknowledged to its acknowledgement. */
  latency: Schema.OptionFromOptionalKey(Schema.DurationFromMillis),
  /** How many payloads wait to be sent. */
  waitingToSend: Schema.Int,
  /** How many connections, or attempts at one, have ended since the start. */
  reconnects: Schema.Int,
  /** Why the last connection ended. */
  lastReason: Schema.OptionFromOptionalKey(GatewayErrorReason)
})

/** A shard at one moment. */
export interface ShardStatus extends Schema.Schema.Type<typeof ShardStatus> {}
