/**
 * The life of one shard: connections, one after the other, until a reason that no further connection can mend.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { GatewayErrorReason } from "../schema/GatewayError.ts"
import type { Payload } from "../schema/Payload.ts"
import { ShardEvent } from "../schema/ShardEvent.ts"
import type { ShardId } from "../schema/ShardId.ts"
import type { ShardState, ShardStatus } from "../schema/ShardStatus.ts"
import * as Backoff from "./Backoff.ts"
import type { Delivery } from "./Delivery.ts"
import { GatewayConfig } from "./GatewayConfig.ts"
import { GatewayDirectory } from "./GatewayDirectory.ts"
import type { Pulse } from "./Heartbeat.ts"
import * as ResumePolicy from "./ResumePolicy.ts"
import * as SessionSaver from "./SessionSaver.ts"
import { SessionStore } from "./SessionStore.ts"
import * as ShardConnection from "./ShardConnection.ts"
import type { ShardEvents } from "./ShardEvents.ts"
import * as ShardSession from "./ShardSession.ts"
import type { Wake } from "./Wake.ts"

/** Makes a shard that hands its payloads to a delivery and announces what happens to it. */
export const make = Effect.fnUntraced(function* (
  id: ShardId,
  shared: { readonly delivery: Delivery; readonly events: ShardEvents; readonly wake: Wake }
) {
  const clock = yield* Clock.Clock
  const config = yield* GatewayConfig
  const directory = yield* GatewayDirectory

  const origin = config.gatewayUrl ?? config.apiUrl
  const session = ShardSession.make(id, { intents: config.intents, origin })
  const saver = SessionSaver.make({ id, store: yield* SessionStore, every: config.saveEvery, session })
  const backoff = Backoff.make({ schedule: config.reconnect, stableAfter: config.stableAfter })
  const policy = ResumePolicy.make(config)
  let pulse: Pulse | undefined
  let state: ShardState = "connecting"
  let since = clock.currentTimeMillisUnsafe()
  let reconnects = 0
  let lastReason = Option.none<GatewayErrorReason>()

  const enter = (next: ShardState) => {
    if (state === next) return
    state = next
    since = clock.currentTimeMillisUnsafe()
    if (next === "ready") saver.changed()
  }
  const announce = (event: (common: { readonly shard: number; readonly at: number }) => ShardEvent) =>
    shared.events.announce((at) => event({ shard: id.id, at }))

  const context: ShardConnection.ShardContext = {
    ...shared,
    id,
    session,
    enter,
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
    return yield* ShardConnection.run(context, { url, skipMalformed: policy.skipMalformed(session.marks()) }).pipe(
      Effect.scoped,
      Effect.tapError(({ reason }) =>
        reason._tag === "OpenFailed" && Option.isNone(own) ? directory.doubtUrl : Effect.void
      )
    )
  }).pipe(Effect.flip)

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
      Effect.sync(() => enter("stopped")),
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
      yield* Effect.timeoutOption(shared.wake.next, delay)
    }
  })

  return {
    id,
    /** Keeps the shard connected. Fails with what cannot be recovered from. */
    run: Effect.raceFirst(reconnecting, saver.run).pipe(
      // Shut down by the program.
      Effect.onInterrupt(() => Effect.andThen(saver.close, stop(undefined)))
    ),
    status: (): ShardStatus => ({
      shard: id,
      state,
      since,
      sessionId: Option.map(session.current(), (current) => current.id),
      sequence: Option.fromNullOr(session.marks().received),
      latency: pulse === undefined ? Option.none() : pulse.latency(),
      reconnects,
      lastReason
    }),
    session: session.current,
    /** A payload of this shard was handled by all that listened. */
    handle: (payload: Payload) => {
      if (payload.s === null) return
      session.handle(payload.s, payload.t)
      saver.changed()
    }
  }
})
