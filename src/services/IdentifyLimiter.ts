/**
 * When a shard may IDENTIFY: one per bucket and 5 seconds, and never more in a day than Discord allows.
 *
 * Breaking the first limit is answered by op 9. Breaking the second ends every session of the bot and resets its token:
 * the worst thing that a gateway library can do.
 *
 * Source: Discord, "Identifying" and "Session Start Limit Object".
 */
import * as Context from "effect/Context"
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
import { type DirectoryAnswer, GatewayDirectory } from "./GatewayDirectory.ts"
import * as IdentifyQueue from "./IdentifyQueue.ts"

/** The answer to a shard that wants to IDENTIFY. */
export type IdentifyTurn =
  /** IDENTIFY now. */
  | { readonly _tag: "Granted" }
  /** The bucket is not free: ask again after this time. */
  | { readonly _tag: "Wait"; readonly time: Duration.Duration }
  /** The day's IDENTIFYs are used up, but for those that stay untouched: ask again when there are new ones. */
  | {
      readonly _tag: "BudgetExhausted"
      readonly total: number
      readonly remaining: number
      /** Milliseconds since the epoch. */
      readonly resetAt: number
    }

/** Gives out the turns to IDENTIFY. */
export class IdentifyLimiter extends Context.Service<
  IdentifyLimiter,
  {
    /**
     * Waits until no other shard of the bucket in this process is between its dial and its IDENTIFY, the lowest number
     * first. `onWait` is told of a wait, and how long it may be. `release` leaves the queue, as does the scope's
     * end.
     */
    readonly acquire: (
      shard: ShardId,
      onWait: (wait: Duration.Duration) => Effect.Effect<void>
    ) => Effect.Effect<{ readonly release: Effect.Effect<void> }, GatewayError, Scope.Scope>
    /** Whether the shard may IDENTIFY now. A turn that is granted is taken. */
    readonly takeTurn: (shard: ShardId) => Effect.Effect<IdentifyTurn, GatewayError>
  }
>()("disruption-gateway/IdentifyLimiter") {
  /** Keeps the limits of this process. */
  static readonly layerMemory: Layer.Layer<IdentifyLimiter, never, GatewayConfig | GatewayDirectory> = Layer.effect(
    IdentifyLimiter,
    Effect.suspend(() => Effect.flatMap(takeFromRateLimiter, (take) => make(spacing, take)))
  ).pipe(Layer.provide(RateLimiter.layer), Layer.provide(RateLimiter.layerStoreMemory))

  /** Keeps the limits of all processes that run shards of the bot, together, in Redis. */
  static readonly layerShared: Layer.Layer<IdentifyLimiter, never, GatewayConfig | GatewayDirectory | Redis.Redis> =
    Layer.effect(
      IdentifyLimiter,
      Effect.suspend(() => Effect.flatMap(takeFromRateLimiter, (take) => make(sharedSpacing, take)))
    ).pipe(
      Layer.provide(RateLimiter.layer),
      Layer.provide(RateLimiter.layerStoreRedis({ prefix: "disruption-gateway:" }))
    )

  /** Keeps the limits of all processes that run shards of the bot, together, wherever `take` takes the turns from. */
  static readonly layerSharedBy = (
    take: TakeTurn
  ): Layer.Layer<IdentifyLimiter, never, GatewayConfig | GatewayDirectory> =>
    Layer.effect(
      IdentifyLimiter,
      Effect.suspend(() => make(sharedSpacing, take))
    )
}

/**
 * Takes the turn of a key for a time, in one step that no other process can come between. Returns zero if it was taken,
 * otherwise how long it is not free. Fails where that cannot be known.
 */
export type TakeTurn = (key: string, time: Duration.Duration) => Effect.Effect<Duration.Duration, GatewayError>

const takeFromRateLimiter = Effect.map(
  RateLimiter.RateLimiter,
  (limiter): TakeTurn =>
    (key, window) =>
      limiter.consume({ key, limit: 1, window, onExceeded: "fail" }).pipe(
        Effect.as(Duration.zero),
        Effect.catchReason("RateLimiterError", "RateLimitExceeded", ({ retryAfter }) =>
          // Refused in the window's last moment, it is refused nevertheless.
          Effect.succeed(Duration.max(retryAfter, Duration.millis(1)))
        ),
        Effect.mapError(({ message }) => new GatewayError({ reason: new LimiterUnavailable({ description: message }) }))
      )
)

/**
 * One IDENTIFY per bucket in this time: 5 seconds by Discord's clock, and a little more, since frames do not all travel
 * equally fast. A turn is taken at the moment of sending, so one that comes late does not come too close to the next.
 */
const spacing = Duration.millis(5100)

/** Among processes more, since how long another one takes from its turn to its sending is not known. */
const sharedSpacing = Duration.millis(5500)

/** How old Discord's word on the budget may be, and how old when little is left. */
const maxAge = Duration.minutes(1)
const maxAgeWhenShort = Duration.seconds(5)

/** When Discord is asked again where only IDENTIFYs stand against the budget that its answer may not have counted. */
const askAgainAfter = Duration.seconds(15)

const limitOf = (answer: Option.Option<DirectoryAnswer>) =>
  Option.getOrUndefined(Option.map(answer, ({ info }) => info.session_start_limit))

const make = Effect.fnUntraced(function* (spacing: Duration.Duration, take: TakeTurn) {
  const config = yield* GatewayConfig
  const directory = yield* GatewayDirectory
  // Bots do not share limits; a hash tells them apart without naming their token.
  const bot = Hash.string(Redacted.value(config.token))
  const queues = new Map<number, IdentifyQueue.IdentifyQueue>()
  const reserveOf = (limit: SessionStartLimit) => config.identifyReserve ?? Math.floor(limit.total / 100)

  /** How many IDENTIFYs may be sent: what is left, less the reserve. */
  const leftOf = (answer: Option.Option<DirectoryAnswer>) =>
    Option.match(Option.all([answer, directory.budget()]), {
      onNone: () => Infinity,
      onSome: ([{ info }, { remaining }]) => remaining - reserveOf(info.session_start_limit)
    })

  /** Discord's word on what is left: a fresh one where it is little, an old one where Discord cannot be asked. */
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
    if (Option.isSome(answer) && leftOf(answer) <= 0) {
      const { at, info } = answer.value
      const { remaining, reset_after, total } = info.session_start_limit
      // Where only our own turns stand against it, the next answer tells what became of them.
      const wait = remaining > reserveOf(info.session_start_limit) ? Duration.toMillis(askAgainAfter) : reset_after
      return { _tag: "BudgetExhausted", total, remaining, resetAt: at + wait } as const
    }
    const consumed = yield* take(`identify:${bot}:${shard.bucket(limit?.max_concurrency ?? 1)}`, spacing)
    if (Duration.isPositive(consumed)) {
      // Discord is asked now, if it will have to be, rather than when the turn comes.
      const [asking] = yield* Effect.timed(budget(Duration.subtract(maxAge, Duration.times(spacing, 2))))
      return { _tag: "Wait", time: Duration.max(Duration.subtract(consumed, asking), Duration.zero) } as const
    }
    yield* directory.countIdentify
    return { _tag: "Granted" } as const
  })

  return IdentifyLimiter.of({ acquire, takeTurn })
})
