/**
 * Rate limiter of IDENTIFYs: one per bucket in 5 seconds (`spacing`), and the day's budget (`SessionStartLimit`).
 *
 * Breaking the first limit is answered by op 9. Breaking the second ends every session of the bot and resets its token:
 * the worst thing that a gateway library can do.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hash from "effect/Hash"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type * as Redis from "effect/persistence/Redis"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { LimiterUnavailable } from "../schema/ConnectionError.ts"
import { GatewayError } from "../schema/GatewayError.ts"
import type { SessionStartLimit } from "../schema/GatewayInfo.ts"
import type { ShardId } from "../schema/ShardId.ts"
import { GatewayConfig } from "./GatewayConfig.ts"
import { type DirectoryAnswer, GatewayDirectory, timeAfter } from "./GatewayDirectory.ts"
import * as IdentifyQueue from "./IdentifyQueue.ts"
import * as MonotonicTime from "./MonotonicTime.ts"

/**
 * Answer to a shard that asks to IDENTIFY.
 *
 * @category models
 * @since 0.1.0
 */
export type IdentifyTurn =
  /** IDENTIFY now. */
  | { readonly _tag: "Granted" }
  /** The bucket is taken: ask again after this time. */
  | { readonly _tag: "Wait"; readonly time: Duration.Duration }
  /** The day's IDENTIFYs are used up, except for the reserve: ask again at `resetAt`. */
  | {
      readonly _tag: "BudgetExhausted"
      readonly total: number
      readonly remaining: number
      readonly resetAt: DateTime.Utc
    }

/**
 * Grants shards their turn to IDENTIFY.
 *
 * @category services
 * @since 0.1.0
 */
export class IdentifyLimiter extends Context.Service<
  IdentifyLimiter,
  {
    /**
     * Identify queue of this process: waits until no other shard of the bucket is between dial and IDENTIFY, the lowest
     * number first. `onWait` gets the estimated wait, if any. `release` or the end of the scope leaves the queue.
     */
    readonly acquire: (
      shard: ShardId,
      onWait: (wait: Duration.Duration) => Effect.Effect<void>
    ) => Effect.Effect<{ readonly release: Effect.Effect<void> }, GatewayError, Scope.Scope>
    /** Asks for the turn to IDENTIFY now. `Granted` takes the bucket and counts against the budget. */
    readonly takeTurn: (shard: ShardId) => Effect.Effect<IdentifyTurn, GatewayError>
  }
>()("disruption-gateway/services/IdentifyLimiter") {
  /** Limits of this process alone. */
  static readonly layerMemory: Layer.Layer<IdentifyLimiter, never, GatewayConfig | GatewayDirectory> = Layer.effect(
    IdentifyLimiter,
    Effect.suspend(() => make(spacing, takeInMemory()))
  )

  /** Limits that all processes with shards of the bot share, in Redis. */
  static readonly layerShared: Layer.Layer<IdentifyLimiter, never, GatewayConfig | GatewayDirectory | Redis.Redis> =
    Layer.effect(
      IdentifyLimiter,
      Effect.suspend(() => Effect.flatMap(takeFromRateLimiter, (take) => make(sharedSpacing, take)))
    ).pipe(
      Layer.provide(RateLimiter.layer),
      Layer.provide(RateLimiter.layerStoreRedis({ prefix: "disruption-gateway:" }))
    )

  /** Limits that all processes with shards of the bot share, in a store behind `take`. */
  static readonly layerSharedBy = (
    take: TakeTurn
  ): Layer.Layer<IdentifyLimiter, never, GatewayConfig | GatewayDirectory> =>
    Layer.effect(
      IdentifyLimiter,
      Effect.suspend(() => make(sharedSpacing, take))
    )
}

/**
 * Atomic take of a key for a time, across processes. Returns zero if this call took it, otherwise the time until it is
 * free. Fails if the store does not answer.
 *
 * @category models
 * @since 0.1.0
 */
export type TakeTurn = (key: string, time: Duration.Duration) => Effect.Effect<Duration.Duration, GatewayError>

/** Turns of one process, in monotonic time: setting the clock neither delays a turn nor brings it forward. */
const takeInMemory = (): TakeTurn => {
  const takenUntil = new Map<string, number>()
  return (key, time) =>
    Effect.map(MonotonicTime.now, (now) => {
      const wait = (takenUntil.get(key) ?? now) - now
      if (wait > 0) return Duration.millis(Math.ceil(wait))
      takenUntil.set(key, now + Duration.toMillis(time))
      return Duration.zero
    })
}

const takeFromRateLimiter = Effect.map(
  RateLimiter.RateLimiter,
  (limiter): TakeTurn =>
    (key, window) =>
      limiter.consume({ key, limit: 1, window, onExceeded: "fail" }).pipe(
        Effect.as(Duration.zero),
        Effect.catchReason("RateLimiterError", "RateLimitExceeded", ({ retryAfter }) =>
          // At least 1 ms: zero would mean that the key was taken.
          Effect.succeed(Duration.max(retryAfter, Duration.millis(1)))
        ),
        Effect.mapError(({ message }) => new GatewayError({ reason: new LimiterUnavailable({ description: message }) }))
      )
)

/**
 * Time between two IDENTIFYs of a bucket: Discord's 5 seconds plus a margin for network jitter. A turn is taken at the
 * moment of sending, so a late shard does not come too close to the next.
 *
 * Discord, "Identifying": https://discord.com/developers/docs/events/gateway#identifying
 */
const spacing = Duration.millis(5100)

/** Spacing between processes: a larger margin, as the time from turn to send in another process is unknown. */
const sharedSpacing = Duration.millis(5500)

/** Maximum age of the answer with the budget, and when little is left. Discord asks not to cache it for long. */
const maxAge = Duration.minutes(1)
const maxAgeWhenShort = Duration.seconds(5)

/** Time until a new request if only IDENTIFYs that the last answer may not have counted exhaust the budget. */
const askAgainAfter = Duration.seconds(15)

const limitOf = (answer: Option.Option<DirectoryAnswer>) =>
  Option.getOrUndefined(Option.map(answer, ({ info }) => info.session_start_limit))

const make = Effect.fnUntraced(function* (spacing: Duration.Duration, take: TakeTurn) {
  const config = yield* GatewayConfig
  const directory = yield* GatewayDirectory
  const clock = yield* Clock.Clock
  // Each bot has its own limits. The hash keeps the token out of the key.
  const bot = Hash.string(Redacted.value(config.token))
  const queues = new Map<number, IdentifyQueue.IdentifyQueue>()
  const reserveOf = (limit: SessionStartLimit) => config.identifyReserve ?? Math.floor(limit.total / 100)

  /** IDENTIFYs that may be sent: the remaining ones less the reserve. */
  const leftOf = (answer: Option.Option<DirectoryAnswer>) =>
    Option.match(Option.all([answer, directory.budget()]), {
      onNone: () => Infinity,
      onSome: ([{ info }, { remaining }]) => remaining - reserveOf(info.session_start_limit)
    })

  /** The answer with the budget: a fresh one if little is left, up to a day old if Discord does not answer. */
  const budget = Effect.fnUntraced(function* (age: Duration.Duration) {
    const answer = yield* Effect.catchIf(
      directory.recent(age),
      (error) => error.recovery !== "fatal",
      () => directory.recent(Duration.days(1))
    )
    return leftOf(answer) > 16 ? answer : yield* Effect.orElseSucceed(directory.recent(maxAgeWhenShort), () => answer)
  })

  const acquire: IdentifyLimiter["Service"]["acquire"] = Effect.fnUntraced(function* (shard, onWait) {
    const bucket = shard.bucket(limitOf(yield* budget(maxAge))?.max_concurrency ?? 1)
    const queue = queues.get(bucket) ?? IdentifyQueue.make()
    queues.set(bucket, queue)
    return yield* queue.acquire(shard.id, (ahead) => onWait(Duration.times(spacing, ahead)))
  })

  const takeTurn: IdentifyLimiter["Service"]["takeTurn"] = Effect.fnUntraced(function* (shard) {
    const answer = yield* budget(maxAge)
    const limit = limitOf(answer)
    const left = directory.budget()
    if (Option.isSome(answer) && Option.isSome(left) && leftOf(answer) <= 0) {
      const { info } = answer.value
      const { remaining, reset_after } = info.session_start_limit
      // If only our own recent IDENTIFYs exhaust it, the next answer will have counted them.
      const wait = remaining > reserveOf(info.session_start_limit) ? askAgainAfter : Duration.millis(reset_after)
      return { _tag: "BudgetExhausted", ...left.value, resetAt: timeAfter(clock, answer.value, wait) } as const
    }
    const consumed = yield* take(`identify:${bot}:${shard.bucket(limit?.max_concurrency ?? 1)}`, spacing)
    if (Duration.isPositive(consumed)) {
      // Prefetch: an answer that would expire during the wait is renewed now, not when the turn comes.
      const [asking] = yield* Effect.timed(budget(Duration.subtract(maxAge, Duration.times(spacing, 2))))
      return { _tag: "Wait", time: Duration.max(Duration.subtract(consumed, asking), Duration.zero) } as const
    }
    yield* directory.countIdentify
    return { _tag: "Granted" } as const
  })

  return IdentifyLimiter.of({ acquire, takeTurn })
})
