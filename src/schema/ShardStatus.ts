/**
 * How a shard is doing, for people and programs that ask.
 */
import type * as Duration from "effect/Duration"
import type * as Option from "effect/Option"
import type { GatewayErrorReason } from "./GatewayError.ts"
import type { ShardId } from "./ShardId.ts"

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

/** A shard at one moment. */
export interface ShardStatus {
  readonly shard: ShardId
  readonly state: ShardState
  /** When it came into this state, in milliseconds since the epoch. */
  readonly since: number
  readonly sessionId: Option.Option<string>
  /** The sequence that we would resume from. */
  readonly sequence: Option.Option<number>
  /** Time from the last heartbeat that was acknowledged to its acknowledgement. */
  readonly latency: Option.Option<Duration.Duration>
  /** How many payloads wait to be sent. */
  readonly waitingToSend: number
  /** How many connections, or attempts at one, have ended since the start. */
  readonly reconnects: number
  /** Why the last connection ended. */
  readonly lastReason: Option.Option<GatewayErrorReason>
}
