/**
 * The life of one shard: connections, one after the other, until a reason that no further connection can mend.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { GatewayError, GatewayErrorReason } from "../schema/GatewayError.ts"
import { ShardEvent } from "../schema/ShardEvent.ts"
import type { ShardId } from "../schema/ShardId.ts"
import type { ShardState, ShardStatus } from "../schema/ShardStatus.ts"
import * as Backoff from "./Backoff.ts"
import type { Delivery } from "./Delivery.ts"
import { GatewayConfig } from "./GatewayConfig.ts"
import { GatewayDirectory } from "./GatewayDirectory.ts"
import type { Pulse } from "./Heartbeat.ts"
import { SessionStore } from "./SessionStore.ts"
import * as ShardConnection from "./ShardConnection.ts"
import type { ShardEvents } from "./ShardEvents.ts"
import * as ShardSession from "./ShardSession.ts"

/** Makes a shard that hands its payloads to a delivery and announces what happens to it. */
export const make = Effect.fnUntraced(function* (
  id: ShardId,
  { delivery, events }: { readonly delivery: Delivery; readonly events: ShardEvents }
) {
  const clock = yield* Clock.Clock
  const config = yield* GatewayConfig
  const directory = yield* GatewayDirectory
  const store = yield* SessionStore

  const session = ShardSession.make(id)
  const backoff = Backoff.make({ schedule: config.reconnect, stableAfter: config.stableAfter })
  let pulse: Pulse | undefined
  let state: ShardState = "connecting"
  let since = clock.currentTimeMillisUnsafe()
  let reconnects = 0
  let lastReason = Option.none<GatewayErrorReason>()

  const enter = (next: ShardState) => {
    if (state === next) return
    state = next
    since = clock.currentTimeMillisUnsafe()
  }
  const beating = (next: Pulse) => {
    pulse = next
  }
  const announce = (event: (common: { readonly shard: number; readonly at: number }) => ShardEvent) =>
    events.announce((at) => event({ shard: id.id, at }))

  /** Whether the session's own host did not answer: then the main one is asked to resume it, and so on in turn. */
  let avoidResumeUrl = false

  /** Where to connect. A session's own host is known to be of the domain that it was established at. */
  const chooseUrl = Effect.suspend(() =>
    Option.match(session.current(), {
      onNone: () => directory.url,
      onSome: ({ resumeUrl }) => (avoidResumeUrl ? directory.url : Effect.succeed(resumeUrl))
    })
  )

  const unreachable = (url: string, { reason }: GatewayError) => {
    if (reason._tag !== "OpenFailed") return Effect.void
    const own = Option.exists(session.current(), ({ resumeUrl }) => resumeUrl === url)
    avoidResumeUrl = own
    return own ? Effect.void : directory.doubtUrl
  }

  /** One connection, from choosing where to connect to the reason for its end. */
  const connect = Effect.gen(function* () {
    enter("connecting")
    const url = yield* Effect.tapError(chooseUrl, () =>
      Effect.sync(() => {
        avoidResumeUrl = false
      })
    )
    return yield* ShardConnection.run({ id, session, delivery, events, enter, beating }, url).pipe(
      Effect.scoped,
      Effect.tapError((error) => unreachable(url, error))
    )
  }).pipe(Effect.flip)

  const dropSession = Effect.suspend(() =>
    Option.match(session.drop(), {
      onNone: () => Effect.void,
      onSome: ({ id: sessionId }) =>
        Effect.andThen(
          announce((common) => ShardEvent.SessionDropped({ ...common, sessionId })),
          store.remove(id)
        )
    })
  )

  const keepSession = Effect.suspend(() =>
    Option.match(session.current(), { onNone: () => Effect.void, onSome: store.set })
  )

  const stop = (reason: GatewayErrorReason | undefined) =>
    Effect.andThen(
      Effect.sync(() => enter("stopped")),
      announce((common) => ShardEvent.Stopped({ ...common, reason }))
    )

  const run = Effect.gen(function* () {
    Option.map(yield* store.get(id), session.restore)
    while (true) {
      const error = yield* connect
      const lasted = state === "ready" ? Duration.millis(clock.currentTimeMillisUnsafe() - since) : undefined
      if (lasted !== undefined) avoidResumeUrl = false
      lastReason = Option.some(error.reason)
      reconnects++
      if (error.recovery === "fatal") {
        yield* stop(error.reason)
        return yield* error
      }
      enter("waiting")
      yield* announce((common) => ShardEvent.Disconnected({ ...common, reason: error.reason }))
      yield* error.recovery === "identify" ? dropSession : keepSession
      const delay = yield* Effect.tapError(backoff.next(error, lasted), (ended) => stop(ended.reason))
      if (Duration.isZero(delay)) continue
      yield* announce((common) => ShardEvent.Waiting({ ...common, delay }))
      yield* Effect.sleep(delay)
    }
  }).pipe(
    // Shut down by the program: what is durable is kept, anything else has ended with the connection.
    Effect.onInterrupt(() => Effect.andThen(store.durable ? keepSession : store.remove(id), stop(undefined)))
  )

  const status = (): ShardStatus => ({
    shard: id,
    state,
    since,
    sessionId: Option.map(session.current(), (current) => current.id),
    sequence: Option.fromNullOr(session.sequence()),
    latency: pulse === undefined ? Option.none() : pulse.latency(),
    reconnects,
    lastReason
  })

  return {
    id,
    /** Keeps the shard connected. Fails with what cannot be recovered from. */
    run,
    status,
    session: session.current
  }
})
