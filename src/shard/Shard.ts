/**
 * The life of one shard: connections, one after the other, until a reason that no further connection can mend.
 *
 * A bot may have thousands of shards in a process, most of them idle: they are objects that share their methods, with no
 * fiber beyond those of the connection.
 */
import type { GatewayPresenceUpdateData } from "discord-api-types/v10"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { GatewayError, type GatewayErrorReason } from "../schema/GatewayError.ts"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import type { Payload } from "../schema/Payload.ts"
import { GatewayStopped } from "../schema/SendError.ts"
import type { Session } from "../schema/Session.ts"
import { ShardEvent } from "../schema/ShardEvent.ts"
import type { ShardId } from "../schema/ShardId.ts"
import type { ShardState, ShardStatus } from "../schema/ShardStatus.ts"
import { Backoff } from "./Backoff.ts"
import type { Delivery } from "../gateway/Delivery.ts"
import { GatewayConfig } from "../services/GatewayConfig.ts"
import type { GatewayConnection } from "../services/GatewayConnection.ts"
import { GatewayDirectory } from "../services/GatewayDirectory.ts"
import type { GatewayMetrics } from "../gateway/GatewayMetrics.ts"
import type { Heartbeat, ConnectionHeartbeat } from "../services/Heartbeat.ts"
import type { IdentifyLimiter } from "../services/IdentifyLimiter.ts"
import { RecoveryPolicy } from "./RecoveryPolicy.ts"
import { SendQueue } from "./SendQueue.ts"
import { SessionSaver } from "./SessionSaver.ts"
import { SessionStore } from "../services/SessionStore.ts"
import * as ShardConnection from "./ShardConnection.ts"
import type { Announcement, ShardContext } from "./ShardContext.ts"
import type { ShardEvents } from "../gateway/ShardEvents.ts"
import { ShardSession } from "./ShardSession.ts"

/** What all shards of a gateway share. */
export interface Shared {
  readonly delivery: Pick<Delivery, "append" | "isFull" | "room" | "size">
  readonly events: ShardEvents
  readonly metrics: GatewayMetrics
  /** Every dispatch that is handed on. */
  readonly onDispatch: (payload: Payload) => void
  /** The presence that the program set last for all shards. */
  readonly presence: () => GatewayPresenceUpdateData | undefined
  /** Runs what goes on beside the shards. */
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
}

/** What shards are made of. */
export type Services = GatewayConfig | GatewayConnection | GatewayDirectory | Heartbeat | IdentifyLimiter | SessionStore

/** Makes a shard that hands its payloads to a delivery and announces what happens to it. */
export const make = Effect.fnUntraced(function* (id: ShardId, shared: Shared) {
  return new Shard(id, shared, {
    clock: yield* Clock.Clock,
    config: yield* GatewayConfig,
    directory: yield* GatewayDirectory,
    store: yield* SessionStore
  })
})

interface Parts {
  readonly clock: Clock.Clock
  readonly config: GatewayConfig["Service"]
  readonly directory: GatewayDirectory["Service"]
  readonly store: SessionStore["Service"]
}

/** A shard of the gateway. */
export class Shard implements ShardContext {
  readonly id: ShardId
  readonly session: ShardSession
  readonly sendQueue: SendQueue
  private readonly shared: Shared
  private readonly parts: Parts
  private readonly saver: SessionSaver
  private readonly backoff: Backoff
  private readonly policy: RecoveryPolicy
  private readonly established = Deferred.makeUnsafe<void>()
  /** Ends what is under way: the connection, or the wait for the next one. */
  private interruption: Deferred.Deferred<never, GatewayError> | undefined
  /** The presence of this shard alone. */
  private ownPresence: GatewayPresenceUpdateData | undefined
  private pulse: ConnectionHeartbeat | undefined
  private state: ShardState = "connecting"
  private since: number
  private reconnects = 0
  private lastReason = Option.none<GatewayErrorReason>()

  constructor(id: ShardId, shared: Shared, parts: Parts) {
    const { clock, config, store } = parts
    this.id = id
    this.shared = shared
    this.parts = parts
    this.since = clock.currentTimeMillisUnsafe()
    this.session = new ShardSession(id, { intents: config.intents, origin: originOf(config) })
    this.sendQueue = new SendQueue({ shard: id.id, capacity: config.sendQueue })
    this.saver = new SessionSaver({ id, store, every: config.saveEvery, session: this.session, fork: shared.fork })
    this.backoff = new Backoff(config)
    this.policy = new RecoveryPolicy(config)
  }

  /** Keeps the shard connected. Fails with what cannot be recovered from. */
  get run(): Effect.Effect<never, GatewayError, Services> {
    return Effect.andThen(this.restore, Effect.forever(this.connectAndWait)).pipe(
      // Shut down by the program.
      Effect.onInterrupt(() => Effect.andThen(this.saver.close, this.stop(undefined)))
    )
  }

  /** How the shard is doing. */
  get status(): ShardStatus {
    return {
      shard: this.id,
      state: this.state,
      since: this.since,
      sessionId: Option.map(this.session.current(), (current) => current.id),
      sequence: Option.fromNullOr(this.session.received),
      latency: this.pulse === undefined ? Option.none() : this.pulse.latency(),
      waitingToSend: this.sendQueue.size,
      reconnects: this.reconnects,
      lastReason: this.lastReason
    }
  }

  /** Waits for the first READY or RESUMED. */
  get whenReady(): Effect.Effect<void> {
    return Deferred.await(this.established)
  }

  /** The session with the sequence that we would resume from. */
  get currentSession(): Option.Option<Session> {
    return this.session.current()
  }

  /** The presence with which this shard identifies. */
  setPresence(next: GatewayPresenceUpdateData | undefined): void {
    this.ownPresence = next
  }

  /** Makes a new connection: instead of the one that there is, or without waiting for the next attempt. */
  reconnect(reason: GatewayErrorReason): void {
    if (this.interruption === undefined) return
    Deferred.doneUnsafe(this.interruption, Exit.fail(new GatewayError({ reason })))
  }

  /** Gives the session up for good, when the shard is no longer of use. */
  get forget(): Effect.Effect<void> {
    return this.dropSession("the bot runs with another number of shards")
  }

  // -------------------------------------------------------------------------------------------------------------------
  // For the connection
  // -------------------------------------------------------------------------------------------------------------------

  get delivery(): Shared["delivery"] {
    return this.shared.delivery
  }

  get metrics(): GatewayMetrics {
    return this.shared.metrics
  }

  append(payloads: ReadonlyArray<Payload>, size: number, droppedUpTo: number | undefined): void {
    this.shared.delivery.append(
      payloads,
      size,
      this.onHandled,
      droppedUpTo === undefined ? undefined : () => this.onDroppedHandled(droppedUpTo)
    )
  }

  announce(event: Announcement): Effect.Effect<void> {
    return this.shared.events.announce((at) => event({ shard: this.id.id, at }))
  }

  enter(next: ShardState): void {
    if (this.state === next) return
    this.state = next
    this.since = this.parts.clock.currentTimeMillisUnsafe()
    if (next !== "ready") return
    this.saver.changed()
    Deferred.doneUnsafe(this.established, Exit.void)
  }

  connected(pulse: ConnectionHeartbeat, end: Deferred.Deferred<never, GatewayError>): void {
    this.pulse = pulse
    this.interruption = end
  }

  onDispatch(payload: Payload): void {
    this.shared.onDispatch(payload)
  }

  presence(): GatewayPresenceUpdateData | undefined {
    return this.ownPresence ?? this.shared.presence()
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Internals
  // -------------------------------------------------------------------------------------------------------------------

  private readonly onHandled = (payloads: ReadonlyArray<Payload>): void => {
    const before = this.session.handled
    for (const { op, s, t } of payloads) {
      if (op === GatewayOpcode.Dispatch && s !== null) this.session.handle(s, t)
    }
    if (this.session.handled !== before) this.saver.changed()
  }

  private onDroppedHandled(sequence: number): void {
    this.session.handle(sequence, null)
    this.saver.changed()
  }

  /** Goes on with a stored session, if it is one of this bot as it is now. */
  private get restore(): Effect.Effect<void> {
    const { config } = this.parts
    return Effect.flatMap(this.saver.load, (stored) => {
      if (Option.isNone(stored)) return Effect.void
      const { intents, origin } = stored.value
      this.session.restore(stored.value)
      if (intents !== config.intents) return this.dropSession("it was started with other intents")
      return origin === originOf(config) ? Effect.void : this.dropSession("it was started at another Discord")
    })
  }

  private get connectAndWait(): Effect.Effect<void, GatewayError, Services> {
    return Effect.flatMap(Effect.flip(this.connect), (error) =>
      this.recover(new GatewayError({ reason: error.reason, shard: this.id.id }))
    )
  }

  /** One connection, from choosing where to connect to the reason for its end. */
  private get connect(): Effect.Effect<never, GatewayError, Services> {
    return Effect.suspend(() => {
      this.enter("connecting")
      const { directory } = this.parts
      const own = Option.filter(this.session.current(), () => this.policy.resumeUrlAnswers())
      if (Option.isSome(own)) return this.connectTo(own.value.resumeUrl)
      return directory.url.pipe(
        Effect.tapError(() => Effect.sync(() => this.policy.noMainUrl())),
        Effect.flatMap((url) => this.connectTo(url)),
        Effect.tapError(({ reason }) => (reason._tag === "OpenFailed" ? directory.invalidateUrl : Effect.void))
      )
    })
  }

  private connectTo(url: string): Effect.Effect<never, GatewayError, Services> {
    return Effect.scoped(
      ShardConnection.run(this, {
        url,
        skipMalformed: this.policy.skipMalformed(this.session.received),
        compress: this.policy.canInflate()
      })
    )
  }

  /** After a connection: ends for good, or waits for as long as is good before the next one. */
  private recover(error: GatewayError): Effect.Effect<void, GatewayError> {
    return Effect.gen({ self: this }, function* () {
      const now = this.parts.clock.currentTimeMillisUnsafe()
      const lasted = this.state === "ready" ? Duration.millis(now - this.since) : undefined
      this.lastReason = Option.some(error.reason)
      this.reconnects++
      if (error.recovery === "fatal") {
        yield* this.stop(error.reason)
        return yield* error
      }
      const verdict = this.policy.judge({ error, state: this.state, received: this.session.received, now })
      this.enter("waiting")
      yield* this.announce((common) => ShardEvent.Disconnected({ ...common, reason: error.reason }))
      if (verdict === "drop") {
        yield* this.dropSession(error.recovery === "identify" ? error.reason.message : "RESUME failed too often")
      }
      const delay = yield* Effect.tapError(this.backoff.next(error, lasted), (ended) => this.stop(ended.reason))
      if (Duration.isZero(delay)) return
      yield* this.announce((common) => ShardEvent.Waiting({ ...common, delay }))
      const interruption = Deferred.makeUnsafe<never, GatewayError>()
      this.interruption = interruption
      yield* Effect.ignore(Effect.timeoutOption(Deferred.await(interruption), delay))
    })
  }

  private dropSession(why: string): Effect.Effect<void> {
    return Option.match(this.session.drop(), {
      onNone: () => Effect.void,
      onSome: ({ id: sessionId }) =>
        Effect.andThen(
          this.announce((common) => ShardEvent.SessionDropped({ ...common, sessionId, why })),
          this.saver.forget
        )
    })
  }

  private stop(reason: GatewayErrorReason | undefined): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.enter("stopped")
      this.sendQueue.close(reason ?? new GatewayStopped())
      return this.announce((common) => ShardEvent.Stopped({ ...common, reason }))
    })
  }
}

/** Which Discord it is. */
const originOf = ({ apiUrl, gatewayUrl }: GatewayConfig["Service"]): string => gatewayUrl ?? apiUrl
