/**
 * The life of one shard: connections, one after the other, until a reason that no further connection can mend.
 */
import type { GatewayPresenceUpdateData } from "discord-api-types/v10"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import { GatewayError, type GatewayErrorReason } from "../schema/GatewayError.ts"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import type { Payload } from "../schema/Payload.ts"
import { GatewayStopped } from "../schema/SendError.ts"
import { ShardEvent } from "../schema/ShardEvent.ts"
import type { ShardId } from "../schema/ShardId.ts"
import type { ShardState, ShardStatus } from "../schema/ShardStatus.ts"
import * as Alarm from "./Alarm.ts"
import * as Backoff from "./Backoff.ts"
import type { Delivery } from "./Delivery.ts"
import { GatewayConfig } from "./GatewayConfig.ts"
import { GatewayDirectory } from "./GatewayDirectory.ts"
import type { GatewayConnection } from "./GatewayConnection.ts"
import type { Heartbeat, Pulse } from "./Heartbeat.ts"
import type { IdentifyLimiter } from "./IdentifyLimiter.ts"
import * as ResumePolicy from "./ResumePolicy.ts"
import * as SendQueue from "./SendQueue.ts"
import * as SessionSaver from "./SessionSaver.ts"
import { SessionStore } from "./SessionStore.ts"
import * as ShardConnection from "./ShardConnection.ts"
import type { ShardContext } from "./ShardContext.ts"
import type { ShardEvents } from "./ShardEvents.ts"
import * as ShardSession from "./ShardSession.ts"
import type { Wake } from "./Wake.ts"

/** What all shards of a gateway share. */
export interface Shared {
  readonly delivery: Pick<Delivery, "append" | "isFull" | "room" | "size">
  readonly events: ShardEvents
  readonly wake: Wake
  /** Every dispatch that is handed on. */
  readonly onDispatch: (payload: Payload) => void
  /** The presence that the program set last for all shards. */
  readonly presence: () => GatewayPresenceUpdateData | undefined
}

/** What shards are made of. */
export type Services = GatewayConfig | GatewayConnection | GatewayDirectory | Heartbeat | IdentifyLimiter | SessionStore

/** A shard of the gateway. */
export type Shard = Effect.Success<ReturnType<typeof make>>

/** Makes a shard that hands its payloads to a delivery and announces what happens to it. */
export const make = Effect.fnUntraced(function* (id: ShardId, shared: Shared) {
  const services = yield* Effect.context<Services>()
  const clock = yield* Clock.Clock
  const config = yield* GatewayConfig
  const directory = yield* GatewayDirectory

  const origin = config.gatewayUrl ?? config.apiUrl
  const session = ShardSession.make(id, { intents: config.intents, origin })
  const saver = SessionSaver.make({ id, store: yield* SessionStore, every: config.saveEvery, session })
  const backoff = Backoff.make({ schedule: config.reconnect, stableAfter: config.stableAfter })
  const policy = ResumePolicy.make(config)
  const restart = Alarm.make<void>()
  const sendQueue = SendQueue.make({ shard: id.id, capacity: config.sendQueue })
  const established = Latch.makeUnsafe(false)
  /** The presence of this shard alone. */
  let presence: GatewayPresenceUpdateData | undefined
  let pulse: Pulse | undefined
  let state: ShardState = "connecting"
  let since = clock.currentTimeMillisUnsafe()
  let reconnects = 0
  let lastReason = Option.none<GatewayErrorReason>()

  const enter = (next: ShardState) => {
    if (state === next) return
    state = next
    since = clock.currentTimeMillisUnsafe()
    if (next !== "ready") return
    saver.changed()
    established.openUnsafe()
  }
  const announce = (event: (common: { readonly shard: number; readonly at: number }) => ShardEvent) =>
    shared.events.announce((at) => event({ shard: id.id, at }))

  const onHandled = (payloads: ReadonlyArray<Payload>) => {
    const before = session.marks().handled
    for (const { op, s, t } of payloads) {
      if (op === GatewayOpcode.Dispatch && s !== null) session.handle(s, t)
    }
    if (session.marks().handled !== before) saver.changed()
  }

  const context: ShardContext = {
    ...shared,
    id,
    session,
    sendQueue,
    restart,
    announce,
    append: (payloads, size, droppedUpTo) =>
      shared.delivery.append(
        payloads,
        size,
        onHandled,
        droppedUpTo === undefined
          ? undefined
          : () => {
              session.handle(droppedUpTo, null)
              saver.changed()
            }
      ),
    enter,
    presence: () => presence ?? shared.presence(),
    beating: (next) => {
      pulse = next
    }
  }

  /** One connection, from choosing where to connect to the reason for its end. */
  const connect = Effect.gen(function* () {
    enter("connecting")
    const own = Option.filter(session.current(), policy.resumeUrlAnswers)
    const url = Option.isSome(own)
      ? own.value.resumeUrl
      : yield* Effect.tapError(directory.url, () => Effect.sync(policy.noMainUrl))
    return yield* ShardConnection.run(context, {
      url,
      skipMalformed: policy.skipMalformed(session.marks()),
      compress: policy.canInflate()
    }).pipe(
      Effect.scoped,
      Effect.tapError(({ reason }) =>
        reason._tag === "OpenFailed" && Option.isNone(own) ? directory.doubtUrl : Effect.void
      )
    )
  }).pipe(
    Effect.flip,
    Effect.map((error) => new GatewayError({ reason: error.reason, shard: id.id }))
  )

  const dropSession = (why: string) =>
    Option.match(session.drop(), {
      onNone: () => Effect.void,
      onSome: ({ id: sessionId }) =>
        Effect.andThen(
          announce((common) => ShardEvent.SessionDropped({ ...common, sessionId, why })),
          saver.forget
        )
    })

  const stop = (reason: GatewayErrorReason | undefined) =>
    Effect.andThen(
      Effect.sync(() => {
        enter("stopped")
        sendQueue.close(reason ?? new GatewayStopped())
      }),
      announce((common) => ShardEvent.Stopped({ ...common, reason }))
    )

  const restore = Effect.gen(function* () {
    const stored = yield* saver.load
    if (Option.isNone(stored)) return
    session.restore(stored.value)
    if (stored.value.intents !== config.intents) yield* dropSession("it was started with other intents")
    else if (stored.value.origin !== origin) yield* dropSession("it was started at another Discord")
  })

  const reconnecting = Effect.gen(function* () {
    yield* restore
    while (true) {
      const error = yield* connect
      const now = clock.currentTimeMillisUnsafe()
      const lasted = state === "ready" ? Duration.millis(now - since) : undefined
      lastReason = Option.some(error.reason)
      reconnects++
      if (error.recovery === "fatal") {
        yield* stop(error.reason)
        return yield* error
      }
      const verdict = policy.judge({ error, state, marks: session.marks(), now })
      enter("waiting")
      yield* announce((common) => ShardEvent.Disconnected({ ...common, reason: error.reason }))
      if (verdict === "drop")
        yield* dropSession(error.recovery === "identify" ? error.reason.message : "RESUME failed too often")
      const delay = yield* Effect.tapError(backoff.next(error, lasted), (ended) => stop(ended.reason))
      if (Duration.isZero(delay)) continue
      yield* announce((common) => ShardEvent.Waiting({ ...common, delay }))
      yield* Effect.timeoutOption(Effect.raceFirst(shared.wake.next, restart.next), delay)
    }
  })

  return {
    id,
    /** Keeps the shard connected. Fails with what cannot be recovered from. */
    run: Effect.raceFirst(reconnecting, saver.run).pipe(
      // Shut down by the program.
      Effect.onInterrupt(() => Effect.andThen(saver.close, stop(undefined))),
      Effect.provideContext(services)
    ),
    status: (): ShardStatus => ({
      shard: id,
      state,
      since,
      sessionId: Option.map(session.current(), (current) => current.id),
      sequence: Option.fromNullOr(session.marks().received),
      latency: pulse === undefined ? Option.none() : pulse.latency(),
      waitingToSend: sendQueue.size(),
      reconnects,
      lastReason
    }),
    /** Sends a frame when the shard is ready and the limits allow it. */
    send: sendQueue.send,
    /** The presence with which this shard identifies. */
    setPresence: (next: GatewayPresenceUpdateData | undefined) => {
      presence = next
    },
    /** Makes a new connection: instead of the one that there is, or without waiting for the next attempt. */
    restart: Effect.sync(() => restart.ring()),
    /** Gives the session up for good, when the shard is no longer of use. */
    forget: dropSession("the bot runs with another number of shards"),
    session: session.current,
    /** Waits for the first READY or RESUMED. */
    whenReady: established.await
  }
})
