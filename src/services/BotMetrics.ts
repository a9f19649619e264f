/**
 * The context in which a bot's metrics are made, so that two bots in one process are told apart.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"

/** The current context with the attribute `bot`, the id in the first part of the bot's token, where it has that form. */
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

/** The first part of a token is the bot's id in Base64: no secret, everybody sees it in Discord. */
const idIn = (token: string): string | undefined => {
  const [first = "", ...rest] = token.split(".")
  if (rest.length !== 2 || !/^[\w-]+={0,2}$/.test(first)) return undefined
  const id = atob(first.replaceAll("-", "+").replaceAll("_", "/").replaceAll("=", ""))
  return /^\d{15,22}$/.test(id) ? id : undefined
}
