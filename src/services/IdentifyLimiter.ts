/**
 * When a shard may IDENTIFY: one per bucket and 5 seconds, and never more in a day than Discord allows.
 *
 * Breaking the first limit is answered by op 9. Breaking the second ends every session of the bot and resets its token:
 * the worst thing that a gateway library can do.
 *
 * Source: Discord, "Identifying" and "Session Start Limit Object".
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type { GatewayError } from "../schema/GatewayError.ts"
import type { ShardId } from "../schema/ShardId.ts"
import { type DirectoryAnswer, GatewayDirectory } from "./GatewayDirectory.ts"

/** The answer to a shard that wants to IDENTIFY. */
export type IdentifyTurn =
  /** The turn is reserved: IDENTIFY at this time, in milliseconds since the epoch, not before. */
  | { readonly _tag: "Reserved"; readonly at: number }
  /** The day's IDENTIFYs are used up: ask again when there are new ones. */
  | { readonly _tag: "BudgetExhausted"; readonly total: number; readonly resetAt: number }

/** Gives out the turns to IDENTIFY. */
export class IdentifyLimiter extends Context.Service<
  IdentifyLimiter,
  {
    /** Reserves the next turn of the shard's bucket. */
    readonly reserve: (shard: ShardId) => Effect.Effect<IdentifyTurn, GatewayError>
  }
>()("disruption-gateway/IdentifyLimiter") {
  /** Keeps the limits of this process. */
  static readonly layerMemory: Layer.Layer<IdentifyLimiter, never, GatewayDirectory> = Layer.effect(
    IdentifyLimiter,
    Effect.gen(function* () {
      const directory = yield* GatewayDirectory
      const limiter = yield* RateLimiter.RateLimiter
      // What we have spent ourselves since Discord last told what is left.
      let counted: DirectoryAnswer | undefined
      let spent = 0

      const reserve = Effect.fnUntraced(function* (shard: ShardId) {
        const answer = Option.getOrUndefined(yield* budget(directory))
        if (answer !== counted) {
          counted = answer
          spent = 0
        }
        const limit = answer?.info.session_start_limit
        if (answer !== undefined && limit !== undefined && limit.remaining - spent <= 0) {
          return {
            _tag: "BudgetExhausted",
            total: limit.total,
            resetAt: answer.at + limit.reset_after
          } satisfies IdentifyTurn
        }
        spent++
        const { delay } = yield* Effect.orDie(
          limiter.consume({
            key: `disruption-gateway/identify/${shard.bucket(limit?.max_concurrency ?? 1)}`,
            limit: 1,
            window: "5 seconds",
            onExceeded: "delay"
          })
        )
        return {
          _tag: "Reserved",
          at: (yield* Clock.currentTimeMillis) + Duration.toMillis(delay)
        } satisfies IdentifyTurn
      })

      return IdentifyLimiter.of({ reserve })
    })
  ).pipe(Layer.provide(RateLimiter.layer), Layer.provide(RateLimiter.layerStoreMemory))
}

/** Discord's word on the budget; an older one if it cannot be asked and has not run out. */
const budget = (directory: GatewayDirectory["Service"]) =>
  Effect.catchIf(
    directory.recent(Duration.minutes(1)),
    (error) => error.recovery !== "fatal",
    () => directory.recent(Duration.days(1))
  )
