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
import { GatewayDirectory } from "./GatewayDirectory.ts"

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
      /** The turns that Discord's last answer may not have counted. */
      let turns: ReadonlyArray<{ at: number }> = []

      const reserve = Effect.fnUntraced(function* (shard: ShardId) {
        const answer = Option.getOrUndefined(yield* budget(directory))
        const limit = answer?.info.session_start_limit
        const turn = { at: yield* Clock.currentTimeMillis }
        if (answer !== undefined && limit !== undefined) {
          turns = turns.filter(({ at }) => at > answer.at - Duration.toMillis(uncertainFor))
          if (limit.remaining - turns.length <= 0) {
            // Where only our own turns stand against it, the next answer tells what became of them.
            const wait = limit.remaining > 0 ? Duration.toMillis(budgetMaxAge) + 1 : limit.reset_after
            return { _tag: "BudgetExhausted", total: limit.total, resetAt: answer.at + wait } satisfies IdentifyTurn
          }
          turns = [...turns, turn]
        }
        const { delay } = yield* Effect.orDie(
          limiter.consume({
            key: `disruption-gateway/identify/${shard.bucket(limit?.max_concurrency ?? 1)}`,
            limit: 1,
            window: "5 seconds",
            onExceeded: "delay"
          })
        )
        turn.at = (yield* Clock.currentTimeMillis) + Duration.toMillis(delay)
        return { _tag: "Reserved", at: turn.at } satisfies IdentifyTurn
      })

      return IdentifyLimiter.of({ reserve })
    })
  ).pipe(Layer.provide(RateLimiter.layer), Layer.provide(RateLimiter.layerStoreMemory))
}

/** How old Discord's word on the budget may be. */
const budgetMaxAge = Duration.minutes(1)

/** What was sent so shortly before an answer came may have reached Discord after it was given. */
const uncertainFor = Duration.seconds(15)

/** Discord's word on the budget; an older one if it cannot be asked and has not run out. */
const budget = (directory: GatewayDirectory["Service"]) =>
  Effect.catchIf(
    directory.recent(budgetMaxAge),
    (error) => error.recovery !== "fatal",
    () => directory.recent(Duration.days(1))
  )
