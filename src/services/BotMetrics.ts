/**
 * Metric attribute `bot`, which tells the series of two bots in one process apart.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"

/** The current context with the metric attribute `bot`, the id in the bot's token; unchanged if the token has none. */
export const contextOf = (token: Redacted.Redacted<string>): Effect.Effect<Context.Context<never>> =>
  Effect.map(Effect.context<never>(), (context) => {
    const bot = idIn(Redacted.value(token))
    return bot === undefined
      ? context
      : Context.add(context, Metric.CurrentMetricAttributes, {
          ...Context.get(context, Metric.CurrentMetricAttributes),
          bot
        })
  })

/** The bot's id, Base64 in the first part of a token. It is public: everybody sees it in Discord. */
const idIn = (token: string): string | undefined => {
  const [first = "", ...rest] = token.split(".")
  if (rest.length !== 2 || !/^[\w-]+={0,2}$/.test(first)) return undefined
  const id = atob(first.replaceAll("-", "+").replaceAll("_", "/").replaceAll("=", ""))
  return /^\d{15,22}$/.test(id) ? id : undefined
}
