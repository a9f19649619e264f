/**
 * The bot's id, Base64 in the first part of a token. It is public: everybody sees it in Discord.
 */
import * as Base64Url from "effect/encoding/Base64Url"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"

/** The bot's id; undefined where the token has none, as that of a simulator, or one that was copied badly. */
export const botIdOf = (token: Redacted.Redacted<string>): string | undefined => {
  const [first = "", ...rest] = Redacted.value(token).split(".")
  if (rest.length !== 2) return undefined
  // Its padding may be there or not, in full or in part.
  const decoded = Result.getSuccess(Base64Url.decodeString(first.replace(/=+$/, "")))
  return Option.getOrUndefined(Option.filter(decoded, (id) => /^\d{15,22}$/.test(id)))
}
