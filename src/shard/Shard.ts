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
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { GatewayError, type GatewayErrorReason } from "../schema/GatewayError.ts"
import { SessionDeaf } from "../schema/ConnectionError.ts"
import { GatewayStopped } from "../schema/SendError.ts"
import { encodeSendEvent, type SendEvent } from "../schema/SendEvent.ts"
import type { Identity } from "../schema/Identity.ts"
import { Session } from "../schema/Session.ts"
import { hostOf, isTrustedResumeUrl } from "../schema/GatewayUrl.ts"
import { ShardEvent } from "../schema/ShardEvent.ts"
import type { ShardId } from "../schema/ShardId.ts"
import type { ShardStatus } from "../schema/ShardStatus.ts"
import { botIdOf } from "../services/BotId.ts"
import { GatewayConfig } from "../services/GatewayConfig.ts"
import type { GatewayConnection } from "../services/GatewayConnection.ts"
import { GatewayDirectory } from "../services/GatewayDirectory.ts"
import type { Heartbeat } from "../services/Heartbeat.ts"
import type { IdentifyLimiter } from "../services/IdentifyLimiter.ts"
import * as MonotonicTime from "../services/MonotonicTime.ts"
import { SessionStore } from "../services/SessionStore.ts"
import { type Lease, ShardLease } from "../services/ShardLease.ts"
import { maskOf } from "../services/TokenConcealment.ts"
import { GuildSnapshots } from "../services/GuildSnapshots.ts"
import { Backoff } from "./Backoff.ts"
import { GuildRecorder } from "./GuildRecorder.ts"
import { RecoveryPolicy } from "./RecoveryPolicy.ts"
import { SendQueue } from "./SendQueue.ts"
import { SessionSaver } from "./SessionSaver.ts"
import * as ShardConnection from "./ShardConnection.ts"
import type { ShardHost } from "./ShardHost.ts"
import { ShardLifecycle } from "./ShardLifecycle.ts"
import { ShardSession } from "./ShardSession.ts"
import { SilenceWatch } from "./SilenceWatch.ts"

/** The services that a shard is made of. */
export type ShardServices =
  | GatewayConfig
  | GatewayConnection
  | GatewayDirectory
  | Heartbeat
  | IdentifyLimiter
  | SessionStore

/** Makes a shard that hands its payloads to its host and announces there what happens to it. */
export const make = Effect.fnUntraced(function* (id: ShardId, host: ShardHost) {
  return new Shard(id, host, {
    clock: yield* Clock.Clock,
    config: yield* GatewayConfig,
    directory: yield* GatewayDirectory,
    lease: yield* ShardLease,
    snapshots: yield* Effect.serviceOption(GuildSnapshots),
    store: yield* SessionStore
  })
})

interface Parts {
  readonly clock: Clock.Clock
  readonly config: GatewayConfig["Service"]
  readonly directory: GatewayDirectory["Service"]
  readonly lease: Lease
  readonly snapshots: Option.Option<GuildSnapshots["Service"]>
  readonly store: SessionStore["Service"]
}

/** A shard of the gateway. */
export class Shard {
  readonly id: ShardId
  readonly sendQueue: SendQueue
  private readonly parts: Parts
  private readonly session: ShardSession
  private readonly saver: SessionSaver
  private readonly recorder: GuildRecorder | undefined
  private readonly lifecycle: ShardLifecycle
  private readonly backoff: Backoff
  private readonly policy: RecoveryPolicy
  private refusedFor: GatewayErrorReason | undefined

  constructor(id: ShardId, host: ShardHost, parts: Parts) {
    const { clock, config, lease, snapshots, store } = parts
    this.id = id
    this.parts = parts
    const { capabilities, intents } = config
    this.session = new ShardSession(
      id,
      { intents, ...(capabilities === 0 ? {} : { capabilities }), origin: originOf(config) },
      () => this.saver.changed()
    )
    this.sendQueue = new SendQueue({ shard: id.id, capacity: config.sendQueue })
    this.recorder = Option.getOrUndefined(
      Option.map(snapshots, (snapshots) => new GuildRecorder(id, snapshots, lease, clock))
    )
    this.saver = new SessionSaver({
      id,
      store: this.counted(this.recorder === undefined ? store : this.recorder.over(store)),
      host,
      session: this.session,
      every: config.saveEvery,
      readFor: config.timeouts.storeRead,
      timeout: config.timeouts.store
    })
    this.lifecycle = new ShardLifecycle({
      id,
      clock,
      host,
      session: this.session,
      saver: this.saver,
      sendQueue: this.sendQueue,
      silence: new SilenceWatch(clock, config.silenceProbe, botIdOf(config.token)),
      recorder: this.recorder
    })
    this.backoff = new Backoff(config)
    this.policy = new RecoveryPolicy(config)
  }

  /** Keeps the shard connected. Fails with what cannot be recovered from. */
  get run(): Effect.Effect<never, GatewayError, ShardServices> {
    return Effect.andThen(this.restore, Effect.forever(this.connectAndWait)).pipe(
      // Shut down by the program.
      Effect.onInterrupt(() => Effect.andThen(this.saver.close, this.stop(undefined)))
    )
  }

  /** The shard's status. */
  get status(): ShardStatus {
    return this.lifecycle.status
  }

  /** Waits for the first READY or RESUMED. */
  get whenReady(): Effect.Effect<void> {
    return this.lifecycle.whenReady
  }

  /** Number of the shard's guilds. */
  get guilds(): number {
    return this.lifecycle.guilds.value
  }

  /** Why Discord refuses the shard, which waits until the bot has another number of them. Undefined while it does not. */
  get refusal(): GatewayErrorReason | undefined {
    return this.refusedFor
  }

  /** The session with the sequence that we would resume from. */
  get currentSession(): Option.Option<Session> {
    return this.session.current()
  }

  /** Identity of the last READY of the shard, by this process or one before it. Undefined before the first. */
  get identity(): Identity | undefined {
    return this.session.identity
  }

  /** Writes how far the session has come. */
  get flush(): Effect.Effect<void> {
    return this.saver.flush
  }

  /** The presence with which this shard identifies; undefined for that of all shards. */
  setPresence(own: GatewayPresenceUpdateData | undefined): void {
    this.lifecycle.presence = own
  }

  /** Makes a new connection: instead of the one that there is, or without waiting for the next attempt. */
  reconnect(reason: GatewayErrorReason): void {
    this.lifecycle.reconnect(reason)
  }

  /** Probes a session that is silent for long, and gives a deaf one up. `isLate`: the sockets may not have been read. */
  lookForSilence(isLate: boolean): void {
    const { host, silence: watch, state } = this.lifecycle
    if (state !== "ready") return
    if (isLate || host.buffer.isFull()) return watch.excuse()
    const verdict = watch.look()
    if (verdict._tag === "Deaf") {
      const { isLasting, silence } = verdict
      this.reconnect(new SessionDeaf({ silence, isLasting }))
    }
    if (verdict._tag === "Probe") host.fork(this.sendProbe(verdict.event))
  }

  private sendProbe(event: SendEvent): Effect.Effect<void> {
    const { silence } = this.lifecycle
    return Effect.fromResult(encodeSendEvent(event)).pipe(
      Effect.flatMap((frame) => this.sendQueue.send(frame)),
      Effect.timeout(probeTimeout),
      Effect.isSuccess,
      Effect.map((isSent) => silence.probed(isSent))
    )
  }

  /** Gives the session up for good, when the shard is no longer of use. */
  get forget(): Effect.Effect<void> {
    return Effect.andThen(this.dropSession("the bot runs with another number of shards"), this.saver.forget)
  }

  /**
   * Goes on with a stored session, if it is one of this bot as it is now. That it was taken over is stored before anything is
   * handed out: should this process die at once, the next one knows.
   */
  private get restore(): Effect.Effect<void, GatewayError> {
    const { config } = this.parts
    return Effect.flatMap(this.saver.load, (stored) => {
      if (Option.isNone(stored)) return this.recorder === undefined ? Effect.void : Effect.ignore(this.recorder.clear)
      const mask = maskOf(config.token)
      const { capabilities = 0, id, intents, origin, resumeUrl } = stored.value
      this.session.restore(new Session({ ...stored.value, id: mask(id), resumeUrl: mask(resumeUrl) }))
      const named = stored.value.identity?.guilds.length ?? 0
      this.lifecycle.guilds.restore(stored.value.guildCount ?? { known: named, available: named })
      if (intents !== config.intents) return this.dropSession("it was started with other intents")
      if (capabilities !== config.capabilities) return this.dropSession("it was started with other capabilities")
      if (origin !== originOf(config)) return this.dropSession("it was started at another Discord")
      return Effect.andThen(
        Effect.andThen(this.checkResumeUrl(mask(resumeUrl)), this.restoreGuilds(stored.value)),
        this.parts.store.durable ? this.saver.flush : Effect.void
      )
    })
  }

  /** The store, to which each session goes with the count of its guilds. */
  private counted(store: SessionStore["Service"]): SessionStore["Service"] {
    return {
      ...store,
      set: (session) =>
        Effect.suspend(() => {
          const guildCount = this.lifecycle.guilds.at(session.sequence)
          return store.set(guildCount === undefined ? session : new Session({ ...session, guildCount }))
        })
    }
  }

  /** Puts the guilds of a stored session before its replay. Where they cannot be read, it is resumed without them. */
  private restoreGuilds(session: Session): Effect.Effect<void> {
    const { recorder } = this
    if (recorder === undefined) return Effect.void
    const { timeouts } = this.parts.config
    return recorder.resume(session).pipe(
      Effect.timeout(timeouts.store),
      Effect.retry(Schedule.spaced("1 second")),
      Effect.timeout(timeouts.storeRead),
      Effect.map(({ payloads, size }) => {
        if (payloads.length > 0) this.lifecycle.host.buffer.append(payloads, size, this.session.append(null), 0)
      }),
      Effect.catch(({ message }) =>
        Effect.annotateLogs(
          Effect.logWarning(`The guilds of the session cannot be read, and it is resumed without them: ${message}`),
          { shard: this.id.id }
        )
      )
    )
  }

  /** A store may be read and written by others, and the token goes to where the URL leads. */
  private checkResumeUrl(resumeUrl: string): Effect.Effect<void, GatewayError> {
    const { config, directory } = this.parts
    const main =
      config.gatewayUrl !== undefined
        ? Effect.succeed(config.gatewayUrl)
        : new URL(config.apiUrl).hostname === "discord.com"
          ? Effect.succeed(discordGateway)
          : directory.url
    return Effect.matchEffect(main, {
      onSuccess: (url) => {
        if (isTrustedResumeUrl(resumeUrl, url)) return Effect.void
        this.session.resumeAt(url)
        return this.lifecycle.announce((common) => ShardEvent.ResumeUrlRefused({ ...common, host: hostOf(resumeUrl) }))
      },
      // Discord's own URL cannot be known now: it is asked for again before anything is sent.
      onFailure: (error) => {
        if (error.recovery === "fatal") return Effect.fail(error)
        this.policy.distrustResumeUrl()
        return Effect.void
      }
    })
  }

  private get connectAndWait(): Effect.Effect<void, GatewayError, ShardServices> {
    return Effect.flatMap(Effect.flip(Effect.andThen(this.parts.lease.held, this.connect)), (error) =>
      this.recover(new GatewayError({ reason: error.reason, shard: this.id.id }))
    )
  }

  /** One connection, from choosing where to connect to the reason for its end. */
  private get connect(): Effect.Effect<never, GatewayError, ShardServices> {
    return Effect.suspend(() => {
      this.lifecycle.enter("connecting")
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

  private connectTo(url: string): Effect.Effect<never, GatewayError, ShardServices> {
    return Effect.scoped(
      ShardConnection.run(this.lifecycle, {
        url,
        skipMalformed: this.policy.skipMalformed(this.session.received),
        compress: this.policy.canInflate(),
        readyTimeout: Duration.times(this.parts.config.timeouts.ready, this.policy.readyPatience())
      })
    )
  }

  /** After a connection: ends for good, or waits for as long as is good before the next one. */
  private recover(error: GatewayError): Effect.Effect<void, GatewayError> {
    return Effect.gen({ self: this }, function* () {
      const { lifecycle } = this
      const { state } = lifecycle
      const lasted = lifecycle.ended(error.reason)
      if (isRefusal(error.reason) && lifecycle.host.refused(this.id)) return yield* this.awaitOthers(error)
      if (error.recovery === "fatal") {
        yield* this.stop(error.reason)
        return yield* error
      }
      const now = MonotonicTime.of(this.parts.clock)
      const verdict = this.policy.judge({ error, state, received: this.session.received, now })
      lifecycle.enter("waiting")
      yield* lifecycle.announce((common) => ShardEvent.Disconnected({ ...common, reason: error.reason }))
      if (verdict === "drop") {
        yield* this.dropSession(error.recovery === "identify" ? error.reason.message : "RESUME failed too often")
      }
      const delay = yield* Effect.tapError(this.backoff.next(error, lasted), (ended) => this.stop(ended.reason))
      if (Duration.isZero(delay)) return
      yield* lifecycle.announce((common) => ShardEvent.Waiting({ ...common, delay }))
      yield* Effect.ignore(Effect.timeoutOption(Deferred.await(lifecycle.waiting()), delay))
    })
  }

  /** Waits for the bot to get another number of shards, which ends this one, or to be restarted. */
  private awaitOthers({ reason }: GatewayError): Effect.Effect<void> {
    const { lifecycle } = this
    return Effect.gen({ self: this }, function* () {
      lifecycle.enter("waiting")
      yield* lifecycle.announce((common) => ShardEvent.Disconnected({ ...common, reason }))
      yield* this.dropSession(reason.message)
      this.refusedFor = reason
      lifecycle.host.onRefused()
      yield* Effect.ignore(Deferred.await(lifecycle.waiting()))
      this.refusedFor = undefined
    })
  }

  /** The store follows in its own time: it does not hold up the next connection. */
  private dropSession(why: string): Effect.Effect<void> {
    return Option.match(this.session.drop(), {
      onNone: () => Effect.void,
      onSome: ({ id: sessionId }) => {
        this.saver.changed()
        return this.lifecycle.announce((common) => ShardEvent.SessionDropped({ ...common, sessionId, why }))
      }
    })
  }

  private stop(reason: GatewayErrorReason | undefined): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.lifecycle.enter("stopped")
      this.sendQueue.close(reason ?? new GatewayStopped())
      return this.lifecycle.announce((common) => ShardEvent.Stopped({ ...common, reason }))
    })
  }
}

/** Whether Discord refuses the shard for the number of shards that it is one of. */
const isRefusal = ({ _tag }: GatewayErrorReason): boolean => _tag === "ShardingRequired" || _tag === "InvalidShard"

/** Time for a probe to be sent, behind what waits in the queue. */
const probeTimeout = Duration.minutes(1)

/** Discord's own gateway: what is of its domain is trusted without asking where it is. */
const discordGateway = "wss://gateway.discord.gg"

/** The Discord that the configuration names. */
const originOf = ({ apiUrl, gatewayUrl }: GatewayConfig["Service"]): string => gatewayUrl ?? apiUrl
