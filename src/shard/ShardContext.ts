/**
 * What the parts of a connection know of their shard, and tell it.
 */
import type { GatewayPresenceUpdateData } from "discord-api-types/v10"
import type * as Deferred from "effect/Deferred"
import type * as Effect from "effect/Effect"
import type { GatewayError } from "../schema/GatewayError.ts"
import type { Payload } from "../schema/Payload.ts"
import type { ShardEvent } from "../schema/ShardEvent.ts"
import type { ShardId } from "../schema/ShardId.ts"
import type { ShardState } from "../schema/ShardStatus.ts"
import type { Delivery } from "../gateway/Delivery.ts"
import type { GatewayMetrics } from "../gateway/GatewayMetrics.ts"
import type { ConnectionHeartbeat } from "../services/Heartbeat.ts"
import type { SendQueue } from "./SendQueue.ts"
import type { ShardSession } from "./ShardSession.ts"

/** What happens to a shard, but for which shard it is and when. */
export type Announcement = (common: { readonly shard: number; readonly at: number }) => ShardEvent

/** What a connection needs to know of its shard, and tells it. */
export interface ShardContext {
  readonly id: ShardId
  readonly session: ShardSession
  readonly sendQueue: SendQueue
  readonly metrics: Pick<GatewayMetrics, "onHeld" | "onLatency">
  readonly delivery: Pick<Delivery, "isFull" | "room" | "size">
  /** Hands payloads of a size on. `droppedUpTo` is the last sequence of those that nobody asked for, if there are any. */
  append(payloads: ReadonlyArray<Payload>, size: number, droppedUpTo: number | undefined): void
  /** Tells the world what happens. */
  announce(event: Announcement): Effect.Effect<void>
  /** The shard has come into a state. */
  enter(state: ShardState): void
  /** A connection is on: its heartbeat, for the latency, and what ends it from outside. */
  connected(pulse: ConnectionHeartbeat, end: Deferred.Deferred<never, GatewayError>): void
  /** A dispatch came that is handed on. */
  onDispatch(payload: Payload): void
  /** The presence that the program set last. */
  presence(): GatewayPresenceUpdateData | undefined
}

/** How a connection is made. */
export interface ConnectionOptions {
  readonly url: string
  /** Whether malformed payloads are left out; otherwise the first one ends the connection. */
  readonly skipMalformed: boolean
  /** Whether to use the configured compression. */
  readonly compress: boolean
}
