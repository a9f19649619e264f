/**
 * The guild of a dispatch, read on the text of its frame without parsing it: the relay looks at nothing else in it.
 */
import * as Option from "effect/Option"

/** Events whose guild's id is `id`; all others have it in `guild_id`. */
const guildEvents: ReadonlySet<string> = new Set(["GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE"])

/**
 * Id of a dispatch's guild: undefined where it has none. None where the text is not as Discord writes it, with space between its
 * tokens, and has to be parsed.
 */
export const guildOfText = (name: string, text: string): Option.Option<string | undefined> => {
  const start = text.indexOf('"d":')
  if (start < 0) return Option.none()
  const key = guildEvents.has(name) ? "id" : "guild_id"
  let depth = 0
  let at = start + 4
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === quote) {
      const end = endOfString(text, at + 1)
      if (
        depth === 1 &&
        end - at - 1 === key.length &&
        text.charCodeAt(end + 1) === colon &&
        text.startsWith(key, at + 1)
      ) {
        if (text.charCodeAt(end + 2) !== quote) return Option.some(undefined)
        return Option.some(text.slice(end + 3, endOfString(text, end + 3)))
      }
      at = end + 1
      continue
    }
    if (code === openBrace || code === openBracket) depth++
    else if (code === closeBrace || code === closeBracket) {
      depth--
      if (depth <= 0) return Option.some(undefined)
    } else if (code <= space) return Option.none()
    at++
  }
  return Option.none()
}

const space = 0x20
const quote = 0x22
const colon = 0x3a
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/** Position of the closing quote. */
const endOfString = (text: string, from: number): number => {
  let at = from
  for (let code = text.charCodeAt(at); code === code && code !== quote; code = text.charCodeAt(at)) {
    at += code === backslash ? 2 : 1
  }
  return at
}
