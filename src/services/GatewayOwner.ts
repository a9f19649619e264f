/**
 * Ownership of a bot's sessions: of several instances on one store, one at a time connects.
 *
 * Two instances with the same sessions would take them from each other again and again. With an owner the second one waits, so
 * that a deploy may start the new instance before it stops the old one: the old one stores its sessions and lets go, and the new
 * one resumes. An owner that is killed is followed when its lease has run out.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { OwnedElsewhere, OwnerUnknown, OwnershipLost } from "../schema/FatalError.ts"
import { GatewayError } from "../schema/GatewayError.ts"
import { SessionHolder } from "../schema/SessionHolder.ts"
import { ShardEvent } from "../schema/ShardEvent.ts"
import * as MonotonicTime from "./MonotonicTime.ts"
import { type OwnerAnswer, OwnerStore } from "./OwnerStore.ts"
import { type Lease, momentOf, TimedLease, usableShare } from "./ShardLease.ts"

/**
 * Options of an owner.
 *
 * @since 0.1.0
 * @category models
 */
export interface OwnerOptions {
  /** For people to find this instance: `NodeGateway.instance`. */
  readonly instance: { readonly host: string; readonly pid: number }
  /** Where another instance holds the sessions: `"wait"` until it lets go, or `"fail"` with `OwnedElsewhere`. Default: `"wait"`. */
  readonly whenOwned?: "wait" | "fail" | undefined
  /**
   * Where the store does not say at the start who holds them, since its database is away: `"wait"` until it does, or `"fail"` with
   * `OwnerUnknown`. Default: `"wait"`.
   */
  readonly whenUnanswered?: "wait" | "fail" | undefined
  /** Time after which an owner that is not heard of is followed. Default: 15 seconds. */
  readonly lease?: Duration.Input | undefined
}

/**
 * The ownership of one gateway, from its candidacy on.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ownership {
  /** Whether it may act. */
  readonly lease: Lease
  /** Takes the sessions; waits, or fails, while another instance holds them. */
  readonly take: Effect.Effect<void, GatewayError>
  /** Fails when another instance has followed. */
  readonly lost: Effect.Effect<never, GatewayError>
}

/**
 * Announcement of what becomes of the ownership, to whoever watches the connections.
 *
 * @since 0.1.0
 * @category models
 */
export type AnnounceOwner = (event: (at: DateTime.Utc) => ShardEvent) => Effect.Effect<void>

/** The store has not answered a claim. */
interface Unanswered {
  readonly _tag: "Unanswered"
  readonly message: string
}

/** Claims in the time of a lease. */
const renewals = 5
/** Interval at which an instance that waits asks again: a hand-over takes half of it on average. */
const askEvery = Duration.millis(250)

/**
 * The owner of the sessions. A gateway that finds this service connects as the owner only.
 *
 * ```ts
 * Gateway.layer.pipe(
 *   Layer.provide(GatewayOwner.layer({ instance: NodeGateway.instance })),
 *   Layer.provide(RedisOwner.layer("my-bot"))
 * )
 * ```
 *
 * @since 0.1.0
 * @category services
 */
export class GatewayOwner extends Context.Service<
  GatewayOwner,
  {
    /** Becomes a candidate; the end of the scope lets go. */
    readonly join: (announce: AnnounceOwner) => Effect.Effect<Ownership, never, Scope.Scope>
  }
>()("disruption-gateway/services/GatewayOwner") {
  /** Owns the sessions by a claim in the store. */
  static readonly layer = (options: OwnerOptions): Layer.Layer<GatewayOwner, never, OwnerStore> =>
    Layer.effect(
      GatewayOwner,
      Effect.map(OwnerStore, (store) => ({ join: (announce) => join(store, options, announce) }))
    )
}

const join = Effect.fnUntraced(function* (
  store: OwnerStore["Service"],
  options: OwnerOptions,
  announce: AnnounceOwner
) {
  const clock = yield* Clock.Clock
  const time = Duration.toMillis(Duration.fromInputUnsafe(options.lease ?? "15 seconds"))
  const lease = new TimedLease(clock, time * usableShare)
  const lost = yield* Deferred.make<never, GatewayError>()
  const scope = yield* Effect.scope
  const token = `${(yield* Random.nextIntBetween(0, 2 ** 52)).toString(36)}-${options.instance.pid}`
  const holder = new SessionHolder({ ...options.instance, since: yield* DateTime.now })
  let epoch: number | undefined
  let hasFailed = false
  let claiming: Fiber.Fiber<OwnerAnswer | Unanswered> | undefined

  /**
   * One claim, which ends in any case, in a fiber that outlives whoever asks. The first failure is told.
   */
  const claim = Effect.suspend(() => {
    const asked = momentOf(clock)
    return store.claim({ token, holder, epoch, lease: time }).pipe(
      Effect.timeout(Duration.millis(time / renewals)),
      Effect.tapError(({ message }) => {
        const isKnown = hasFailed
        hasFailed = true
        return isKnown ? Effect.void : Effect.logWarning(`Nobody says who owns the sessions: ${message}`)
      }),
      Effect.tap((answer) =>
        Effect.sync(() => {
          hasFailed = false
          if (answer._tag === "Granted" && (epoch === undefined || epoch === answer.epoch)) lease.confirm(asked)
        })
      ),
      Effect.catch(({ message }) => Effect.succeed<Unanswered>({ _tag: "Unanswered", message })),
      Effect.forkDetach,
      Effect.flatMap((fiber) => {
        claiming = fiber
        return Fiber.join(fiber)
      })
    )
  })

  const renew = Effect.gen(function* () {
    yield* Effect.sleep(Duration.millis(time / renewals))
    const answer = yield* claim
    if (answer._tag === "Unanswered" || (answer._tag === "Granted" && answer.epoch === epoch)) return
    lease.end()
    const by = answer._tag === "Held" ? answer.by : undefined
    yield* Deferred.fail(lost, new GatewayError({ reason: new OwnershipLost({ by }) }))
    return yield* Effect.never
  })

  const take = Effect.gen(function* () {
    const since = yield* MonotonicTime.now
    let told: string | undefined
    while (true) {
      const answer = yield* claim
      if (answer._tag === "Granted") {
        epoch = answer.epoch
        break
      }
      if (answer._tag === "Unanswered" && options.whenUnanswered === "fail") {
        return yield* new GatewayError({ reason: new OwnerUnknown({ description: answer.message }) })
      }
      if (answer._tag === "Held") {
        const { by } = answer
        if (options.whenOwned === "fail") return yield* new GatewayError({ reason: new OwnedElsewhere({ by }) })
        const name = `${by?.host}:${by?.pid}:${by === undefined ? "" : DateTime.formatIso(by.since)}`
        if (name !== told) yield* announce((at) => ShardEvent.OwnerAwaited({ shard: 0, at, by }))
        told = name
      }
      yield* Effect.sleep(askEvery)
    }
    yield* Effect.forkIn(Effect.forever(renew), scope)
    const waited = Duration.millis((yield* MonotonicTime.now) - since)
    yield* announce((at) => ShardEvent.Owned({ shard: 0, at, waited }))
  })

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      lease.end()
      // A first claim that is under way could be granted after this. A renewal is refused then, however late it comes.
      const settled = epoch === undefined && claiming !== undefined ? Fiber.await(claiming) : Effect.void
      const release = Effect.timeout(store.release(token), Duration.millis(time / renewals))
      return Effect.andThen(settled, Effect.ignore(release))
    })
  )
  return { lease, take, lost: Deferred.await(lost) } satisfies Ownership
})
