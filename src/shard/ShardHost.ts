/**
 * Host of a shard: the buffer for its payloads, the feed for its events, and the settings that all shards of a bot share.
 */
import type { GatewayPresenceUpdateData } from "discord-api-types/v10"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { Payload } from "../schema/Payload.ts"
import type { ShardEvent } from "../schema/ShardEvent.ts"
import type { ShardId } from "../schema/ShardId.ts"
import type { IdentifyHistory } from "./IdentifyHistory.ts"
import type { MarkSegment } from "./LowWaterMark.ts"

/** The host of a shard. */
export interface ShardHost {
  /** Bounded buffer between the shards and the subscribers. */
  readonly buffer: ShardBuffer
  /** Announces an event; `event` is given the time. */
  readonly announce: (event: (at: DateTime.Utc) => ShardEvent) => Effect.Effect<void>
  /** Every dispatch that is handed on, before it is. */
  readonly onDispatch: (payload: Payload) => void
  /** A heartbeat was acknowledged. */
  readonly onLatency: (latency: Duration.Duration) => void
  /** Reading was held for this time because the buffer was full. */
  readonly onHeld: (shard: number, time: Duration.Duration) => void
  /** The dispatches that the program wants at the moment; undefined for all. */
  readonly wanted: () => ReadonlySet<string> | undefined
  /** Whether the program only passes dispatches on, which then need not be parsed. */
  readonly passesOn: () => boolean
  /** IDENTIFYs of the processes before this one. */
  readonly identifies: IdentifyHistory
  /** The presence that the program set last for all shards. */
  readonly presence: () => GatewayPresenceUpdateData | undefined
  /**
   * Whether the host is to find another number of shards for one that Discord refuses, which then waits; otherwise it has
   * failed.
   */
  readonly refused: (shard: ShardId) => boolean
  /** A shard that Discord refuses waits. */
  readonly onRefused: () => void
  /** Runs an effect beside the shards, for as long as the host lives. */
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
}

/** Bounded buffer of payloads, which stay in it until they are handled. */
export interface ShardBuffer {
  /**
   * Appends payloads at once, whatever room there is: a read of the socket cannot be put back. Whoever appends waits for
   * `room` before reading on, so the buffer never holds more than its capacity and one read of each shard.
   */
  readonly append: (
    payloads: ReadonlyArray<Payload>,
    /** Memory that they take, roughly, in bytes. */
    size: number,
    /** Told how far they are handled. */
    mark: MarkSegment,
    /** Count of times that earlier processes may have handed them out. */
    handedOutBefore: number
  ) => void
  /** Whether the buffer holds as much as it may. */
  readonly isFull: () => boolean
  /** Waits until the buffer holds less than it may. */
  readonly room: Effect.Effect<void>
  /** Whether so much waits that subscribers which are at work should come before the next read. */
  readonly isBehind: () => boolean
  /** Gives way to subscribers for as long as they are at work and the buffer is behind. */
  readonly giveWay: Effect.Effect<void>
  /** Count of payloads that wait, of subscribers, and the share of the room that is taken. */
  readonly size: () => { readonly payloads: number; readonly subscribers: number; readonly fill: number }
}
