/**
 * The bot's id, Base64 in the first part of a token. It is public: everybody sees it in Discord.
 */
import * as Redacted from "effect/Redacted"

/** The bot's id; undefined where the token has none, as that of a simulator. */
export const botIdOf = (token: Redacted.Redacted<string>): string | undefined => {
  const [first = "", ...rest] = Redacted.value(token).split(".")
  if (rest.length !== 2 || !/^[\w-]+={0,2}$/.test(first)) return undefined
  const id = atob(first.replaceAll("-", "+").replaceAll("_", "/").replaceAll("=", ""))
  return /^\d{15,22}$/.test(id) ? id : undefined
}
