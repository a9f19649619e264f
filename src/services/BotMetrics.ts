/**
 * Metric attribute `bot`, which tells the series of two bots in one process apart.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Redacted from "effect/Redacted"
import { botIdOf } from "./BotId.ts"

/** The current context with the metric attribute `bot`, the id in the bot's token; unchanged if the token has none. */
export const contextOf = (token: Redacted.Redacted<string>): Effect.Effect<Context.Context<never>> =>
  Effect.map(Effect.context<never>(), (context) => {
    const bot = botIdOf(token)
    return bot === undefined
      ? context
      : Context.add(context, Metric.CurrentMetricAttributes, {
          ...Context.get(context, Metric.CurrentMetricAttributes),
          bot
        })
  })
