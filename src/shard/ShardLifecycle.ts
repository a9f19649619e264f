/**
 * State machine of one shard: which state it is in and since when, the connection that it has, and how the last one ended.
 * The parts of a connection share it; `ShardStatus` is its view from outside.
 */
import type { GatewayPresenceUpdateData } from "discord-api-types/v10"
import type * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { GatewayError, type GatewayErrorReason } from "../schema/GatewayError.ts"
import type { ShardEvent } from "../schema/ShardEvent.ts"
import type { ShardId } from "../schema/ShardId.ts"
import type { ShardState, ShardStatus } from "../schema/ShardStatus.ts"
import type { ConnectionHeartbeat } from "../services/Heartbeat.ts"
import * as MonotonicTime from "../services/MonotonicTime.ts"
import { GuildCount } from "./GuildCount.ts"
import type { GuildRecorder } from "./GuildRecorder.ts"
import type { SendQueue } from "./SendQueue.ts"
import type { SessionSaver } from "./SessionSaver.ts"
import type { ShardHost } from "./ShardHost.ts"
import type { ShardSession } from "./ShardSession.ts"
import type { SilenceWatch } from "./SilenceWatch.ts"

/** Event of a shard, given the shard and the time. */
export type Announcement = (common: { readonly shard: number; readonly at: DateTime.Utc }) => ShardEvent

/** The parts that live as long as the shard. */
export interface LifecycleParts {
  readonly id: ShardId
  readonly clock: Clock.Clock
  readonly host: ShardHost
  readonly session: ShardSession
  readonly saver: SessionSaver
  readonly sendQueue: SendQueue
  readonly silence: SilenceWatch
  /** Undefined where no guilds are kept. */
  readonly recorder: GuildRecorder | undefined
}

/** The state machine of a shard. */
export class ShardLifecycle {
  readonly id: ShardId
  readonly host: ShardHost
  readonly session: ShardSession
  readonly saver: SessionSaver
  readonly sendQueue: SendQueue
  readonly silence: SilenceWatch
  readonly recorder: GuildRecorder | undefined
  readonly guilds = new GuildCount()
  private readonly clock: Clock.Clock
  private readonly firstSession = Deferred.makeUnsafe<void>()
  /** Fails to end the connection that there is, or the wait for the next one. */
  private interruption: Deferred.Deferred<never, GatewayError> | undefined
  /** The presence of this shard alone. */
  private ownPresence: GatewayPresenceUpdateData | undefined
  private heartbeat: ConnectionHeartbeat | undefined
  private current: ShardState = "connecting"
  private since: DateTime.Utc
  /** The same in monotonic time. */
  private enteredAt: number
  private reconnects = 0
  private lastReason = Option.none<GatewayErrorReason>()

  constructor({ clock, host, id, recorder, saver, sendQueue, session, silence }: LifecycleParts) {
    this.id = id
    this.host = host
    this.session = session
    this.saver = saver
    this.sendQueue = sendQueue
    this.silence = silence
    this.recorder = recorder
    this.clock = clock
    this.since = this.now()
    this.enteredAt = MonotonicTime.of(clock)
  }

  /** The state in which the shard is. */
  get state(): ShardState {
    return this.current
  }

  /** The view from outside. */
  get status(): ShardStatus {
    return {
      shard: this.id,
      state: this.current,
      since: this.since,
      sessionId: Option.map(this.session.current(), ({ id }) => id),
      sequence: Option.fromNullOr(this.session.received),
      latency: this.heartbeat === undefined ? Option.none() : this.heartbeat.latency(),
      waitingToSend: this.sendQueue.size,
      reconnects: this.reconnects,
      lastReason: this.lastReason
    }
  }

  /** Waits for the first READY or RESUMED. */
  get whenReady(): Effect.Effect<void> {
    return Deferred.await(this.firstSession)
  }

  /** Announces an event of this shard. */
  announce(event: Announcement): Effect.Effect<void> {
    return this.host.announce((at) => event({ shard: this.id.id, at }))
  }

  /** Enters a state. */
  enter(next: ShardState): void {
    if (this.current === next) return
    this.current = next
    this.since = this.now()
    this.enteredAt = MonotonicTime.of(this.clock)
    if (next === "ready") Deferred.doneUnsafe(this.firstSession, Exit.void)
  }

  /** A connection is open, which `end` ends. */
  connected(heartbeat: ConnectionHeartbeat, end: Deferred.Deferred<never, GatewayError>): void {
    this.heartbeat = heartbeat
    this.interruption = end
  }

  /** Waits for the next connection, until `reconnect` at most. */
  waiting(): Deferred.Deferred<never, GatewayError> {
    const interruption = Deferred.makeUnsafe<never, GatewayError>()
    this.interruption = interruption
    return interruption
  }

  /** Ends the connection, or the wait for the next one, so that a new one is made. */
  reconnect(reason: GatewayErrorReason): void {
    if (this.interruption === undefined) return
    Deferred.doneUnsafe(this.interruption, Exit.fail(new GatewayError({ reason })))
  }

  /** A connection, or the attempt at one, has ended. Returns how long its session was established, if it was. */
  ended(reason: GatewayErrorReason): Duration.Duration | undefined {
    this.lastReason = Option.some(reason)
    this.reconnects++
    return this.current === "ready" ? Duration.millis(MonotonicTime.of(this.clock) - this.enteredAt) : undefined
  }

  /** The presence with which the shard identifies: its own, or that of all shards. */
  get presence(): GatewayPresenceUpdateData | undefined {
    return this.ownPresence ?? this.host.presence()
  }

  set presence(own: GatewayPresenceUpdateData | undefined) {
    this.ownPresence = own
  }

  private now(): DateTime.Utc {
    return DateTime.makeUnsafe(this.clock.currentTimeMillisUnsafe())
  }
}
