/**
 * Growth under `shards: "auto"`: asks Discord again how many shards the bot should have, and reshards when they are more.
 *
 * Hysteresis: the number only grows, by a tenth at least or because a shard is nearly full, and reshards are some time apart.
 * A reshard costs an IDENTIFY for each new shard, so the day's budget is looked at before. A shard that Discord refuses (close
 * 4011, or 4010 for a number that is no multiple of a large bot's) waits for the next number, and is reason enough.
 *
 * The number is always a whole multiple of the one that Discord gives, which large bots need. Discord, "Sharding for Very Large
 * Bots": https://discord.com/developers/docs/events/gateway#sharding-for-very-large-bots
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { durationText } from "../schema/DurationText.ts"
import { GatewayError, type GatewayErrorReason } from "../schema/GatewayError.ts"
import type { IdentifyBudget } from "../schema/IdentifyBudget.ts"
import { ShardEvent } from "../schema/ShardEvent.ts"
import { maxShards } from "../schema/ShardSelection.ts"
import type { GatewayConfig } from "../services/GatewayConfig.ts"
import type { GatewayDirectory } from "../services/GatewayDirectory.ts"
import * as MonotonicTime from "../services/MonotonicTime.ts"

/** Why a bot grows: Discord recommends it, a shard is nearly full, or Discord refuses a shard. */
export type GrowthCause = "recommended" | "full" | "refused"

/** The shards as they are. */
export interface Standing {
  readonly total: number
  /** Guilds of the shard that has most. */
  readonly fullest: number
  /** Why Discord refuses a shard, if it does. */
  readonly refusal: GatewayErrorReason | undefined
}

/** Guilds that Discord allows a shard. Discord, "Sharding": https://discord.com/developers/docs/events/gateway#sharding */
const guildsAllowed = 2500

/** Guilds of a shard at which Discord is asked at once. */
export const fullAt = 0.8 * guildsAllowed

/** Growth that is worth its IDENTIFYs: the part of the present number that comes on top. */
const worthwhile = 10

/** Interval at which the guilds of the shards are looked at. */
const lookingTime = Duration.minutes(1)

/** Least time between two questions because a shard is nearly full, and between two reshards then. */
const askAgainWhenFull = Duration.minutes(10)
const apartWhenFull = Duration.hours(1)

/** Wait after a reshard that failed: it doubles with each in a row. */
const firstRetry = Duration.minutes(1)
const longestRetry = Duration.hours(6)

/** Next number of shards, and why; undefined to stay. */
export const next = (
  { fullest, refusal, total }: Standing,
  recommended: number
): { readonly to: number; readonly why: GrowthCause } | undefined => {
  if (refusal !== undefined) {
    const to = recommended * Math.max(1, Math.floor(total / recommended) + 1)
    return to > maxShards ? undefined : { to, why: "refused" }
  }
  if (recommended <= total) return undefined
  if (fullest >= fullAt) return { to: recommended, why: "full" }
  return (recommended - total) * worthwhile >= total ? { to: recommended, why: "recommended" } : undefined
}

/**
 * IDENTIFYs that a reshard takes. One that nobody forces leaves as many for a start of all shards, so that an outage on the same
 * day does not find the budget spent.
 */
const identifiesFor = (to: number, why: GrowthCause): number => (why === "refused" ? to : 2 * to)

/** Wait until Discord is asked again; a hasty one ends when Discord refuses a shard. */
interface Wait {
  readonly wait: Duration.Duration
  readonly isHasty: boolean
}

/** The usual time. */
const usual: Wait = { wait: Duration.zero, isHasty: true }

/** The parts that growth works with. */
export interface GrowthParts {
  readonly config: GatewayConfig["Service"]
  readonly directory: GatewayDirectory["Service"]
  readonly standing: () => Standing
  readonly announce: (event: (at: DateTime.Utc) => ShardEvent) => Effect.Effect<void>
  readonly reshard: (total: number) => Effect.Effect<void, { readonly message: string }>
  /** No number of shards is the right one. */
  readonly giveUp: (error: GatewayError) => Effect.Effect<unknown>
}

/** The growth of a bot. */
export class Growth {
  private readonly parts: GrowthParts
  private readonly urgent = Latch.makeUnsafe(false)
  private askedAt = -Infinity
  private grownAt = -Infinity
  private failures = 0

  /** Number of shards that Discord recommended last. Undefined before its first answer. */
  recommended: number | undefined

  constructor(parts: GrowthParts) {
    this.parts = parts
  }

  /** A process before this one has resharded at this time, in milliseconds of monotonic time. */
  hasGrown(at: number): void {
    this.grownAt = at
  }

  /** Discord refuses a shard: there is no reason to wait for the next question. */
  onRefusal(): void {
    this.urgent.openUnsafe()
  }

  /** Follows Discord for ever. */
  run(growth: Exclude<GatewayConfig["Service"]["growth"], false>): Effect.Effect<never> {
    return Effect.forever(
      Effect.gen({ self: this }, function* () {
        const look = Duration.min(lookingTime, growth.every)
        yield* Effect.timeoutOption(this.urgent.await, look)
        yield* this.urgent.close
        const now = yield* MonotonicTime.now
        if (!this.isDue(this.parts.standing(), growth, now)) return
        this.askedAt = now
        const { isHasty, wait } = yield* this.ask(growth)
        if (Duration.isZero(wait)) return
        yield* Effect.timeoutOption(isHasty ? this.urgent.await : Effect.never, wait)
        // It was due before the wait, so it is now.
        this.askedAt = -Infinity
      })
    )
  }

  private isDue({ fullest, refusal }: Standing, { every }: { readonly every: Duration.Duration }, now: number) {
    if (refusal !== undefined) return true
    const patience = fullest >= fullAt ? Duration.min(every, askAgainWhenFull) : every
    return now - this.askedAt >= Duration.toMillis(patience)
  }

  /** Asks Discord, and grows where that is due. Returns the wait until it is asked again. */
  private ask({ apart }: { readonly apart: Duration.Duration }): Effect.Effect<Wait> {
    const { announce, directory, standing } = this.parts
    return Effect.gen({ self: this }, function* () {
      const answer = yield* Effect.result(directory.recent(Duration.zero))
      if (Result.isFailure(answer)) {
        if (standing().refusal === undefined) return usual
        return yield* this.defer(undefined, "unanswered", lookingTime, answer.failure.message)
      }
      if (Option.isNone(answer.success)) return usual
      const recommended = answer.success.value.info.shards
      this.recommended = recommended
      const { fullest, refusal, total } = standing()
      if (refusal?._tag === "InvalidShard" && total % recommended === 0) {
        yield* this.parts.giveUp(new GatewayError({ reason: refusal, shard: refusal.id }))
        return usual
      }
      const growth = next(standing(), recommended)
      if (growth === undefined) return usual
      const { to, why } = growth
      const rest = this.restOf(why, apart, yield* MonotonicTime.now)
      if (Duration.isPositive(rest)) {
        return yield* this.defer(to, "too-soon", rest, `the last reshard was less than ${durationText(apart)} ago`)
      }
      const short = Option.flatMap(directory.budget(), (budget) => this.shortage(budget, to, why))
      if (Option.isSome(short)) {
        const untilReset = DateTime.distance(yield* DateTime.now, short.value.resetAt)
        const wait = Duration.clamp(untilReset, { minimum: lookingTime, maximum: Duration.days(1) })
        return yield* this.defer(to, "budget", wait, short.value.description)
      }
      yield* announce((at) => ShardEvent.Growing({ shard: 0, at, from: total, to, recommended, guilds: fullest, why }))
      const done = yield* Effect.result(this.parts.reshard(to))
      if (Result.isSuccess(done)) {
        this.failures = 0
        this.grownAt = yield* MonotonicTime.now
        return usual
      }
      const retry = Duration.min(Duration.times(firstRetry, 2 ** Math.min(this.failures++, 20)), longestRetry)
      return yield* this.defer(to, "failed", retry, done.failure.message)
    })
  }

  /** Rest of the time for which reshards are apart. */
  private restOf(why: GrowthCause, apart: Duration.Duration, now: number): Duration.Duration {
    if (why === "refused") return Duration.zero
    const least = why === "full" ? Duration.min(apart, apartWhenFull) : apart
    return Duration.millis(Math.max(0, this.grownAt + Duration.toMillis(least) - now))
  }

  private shortage({ remaining, resetAt, total }: IdentifyBudget, to: number, why: GrowthCause) {
    const reserve = this.parts.config.identifyReserve ?? Math.floor(total / 100)
    const needed = identifiesFor(to, why)
    if (remaining - reserve >= needed) return Option.none()
    return Option.some({
      resetAt,
      description:
        `it takes ${needed} IDENTIFYs${why === "refused" ? "" : ", with those for a restart on the same day"}, and ` +
        `${Math.max(0, remaining - reserve)} are left` +
        (reserve === 0 ? "" : `, less a reserve of ${reserve}`)
    })
  }

  private defer(
    to: number | undefined,
    why: "budget" | "too-soon" | "unanswered" | "failed",
    wait: Duration.Duration,
    description: string
  ): Effect.Effect<Wait> {
    const { refusal, total: from } = this.parts.standing()
    return Effect.as(
      this.parts.announce((at) =>
        ShardEvent.GrowthDeferred({ shard: 0, at, from, ...(to === undefined ? {} : { to }), why, wait, description })
      ),
      // A refusal is news, unless it is what led here.
      { wait, isHasty: refusal === undefined && why !== "failed" }
    )
  }
}
