/**
 * What the parts of a connection know of their shard, and tell it.
 */
import type { GatewayPresenceUpdateData } from "discord-api-types/v10"
import type * as Effect from "effect/Effect"
import type { Payload } from "../schema/Payload.ts"
import type { ShardEvent } from "../schema/ShardEvent.ts"
import type { ShardId } from "../schema/ShardId.ts"
import type { ShardState } from "../schema/ShardStatus.ts"
import type { Alarm } from "./Alarm.ts"
import type { Delivery } from "./Delivery.ts"
import type { Pulse } from "./Heartbeat.ts"
import type { SendQueue } from "./SendQueue.ts"
import type { ShardSession } from "./ShardSession.ts"
import type { Wake } from "./Wake.ts"

/** What a connection needs to know of its shard, and tells it. */
export interface ShardContext {
  readonly id: ShardId
  readonly session: ShardSession
  readonly delivery: Pick<Delivery, "isFull" | "room" | "size">
  /** Hands payloads of a size on. `droppedUpTo` is the last sequence of those that nobody asked for, if there are any. */
  readonly append: (payloads: ReadonlyArray<Payload>, size: number, droppedUpTo: number | undefined) => void
  readonly sendQueue: SendQueue
  readonly wake: Wake
  /** Rings when the program asks for a new connection. */
  readonly restart: Alarm<void>
  readonly announce: (
    event: (common: { readonly shard: number; readonly at: number }) => ShardEvent
  ) => Effect.Effect<void>
  /** The shard has come into a state. */
  readonly enter: (state: ShardState) => void
  /** The connection's heartbeat, for those who want to know the latency. */
  readonly beating: (pulse: Pulse) => void
  /** A dispatch came that is handed on. */
  readonly onDispatch: (payload: Payload) => void
  /** The presence that the program set last. */
  readonly presence: () => GatewayPresenceUpdateData | undefined
}

/** How a connection is made. */
export interface ConnectionOptions {
  readonly url: string
  /** Whether malformed payloads are left out; otherwise the first one ends the connection. */
  readonly skipMalformed: boolean
  /** Whether to use the configured compression. */
  readonly compress: boolean
}
