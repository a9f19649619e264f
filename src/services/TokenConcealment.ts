/**
 * Redaction of tokens: in messages about options, also of a token that was pasted into another option or variable, and in
 * whatever a peer says, who knows the bot's token and may echo it.
 */
import * as Redacted from "effect/Redacted"

/** Replacement of a token. */
const concealed = "<redacted>"

/**
 * Shape of a token: three base64url parts with dots between (the bot's id, a time and a signature). Within other text
 * only parts as long as Discord's match.
 */
const tokenShape = /(?<![\w.-])[\w-]+\.[\w-]+\.[\w-]+(?!\.?[\w-])|[\w-]{17,}\.[\w-]{4,}\.[\w-]{20,}/g

/** Candidates for a part of a token, or for one without dots. */
const longWord = /[\w-]{20,}/g

/** Host names such as `gateway.discord.gg` have the same shape, but no capital letter; tokens begin with one. */
const isHostName = (text: string): boolean => text.length < 50 && !/[A-Z_]/.test(text)

/** Of digits and of letters of both cases, as no option's value is. */
const isRandom = (text: string): boolean => /\d/.test(text) && /[a-z]/.test(text) && /[A-Z]/.test(text)

/** The message without the given token, and without anything of a token's shape. */
export const concealToken = (message: string, token: string): string =>
  withoutGiven(message, token.trim())
    .replace(tokenShape, (text) => (isHostName(text) ? text : concealed))
    .replace(longWord, (text) => (isRandom(text) ? concealed : text))

/** The message without the given token. One as short as a word is only replaced as a whole quoted value. */
const withoutGiven = (message: string, token: string): string => {
  if (token === "") return message
  const quoted = JSON.stringify(token)
  return token.length < shortest
    ? message.replaceAll(quoted, `"${concealed}"`)
    : message.replaceAll(token, concealed).replaceAll(quoted.slice(1, -1), concealed)
}

/** Shorter ones are words as any other. */
const shortest = 8

const masks = new WeakMap<Redacted.Redacted<string>, (text: string) => string>()

/**
 * Mask for what a peer says: the text without the token, in any case, as hosts have none, and also percent-encoded. A text
 * without it comes back as it is.
 */
export const maskOf = (token: Redacted.Redacted<string>): ((text: string) => string) => {
  const known = masks.get(token)
  if (known !== undefined) return known
  const mask = makeMask(Redacted.value(token))
  masks.set(token, mask)
  return mask
}

const makeMask = (token: string): ((text: string) => string) => {
  if (token.length < shortest) return (text) => (text === token ? concealed : text)
  const forms = [token, encodeURIComponent(token)].map((form) => form.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
  const pattern = new RegExp(forms.join("|"), "gi")
  return (text) => text.replace(pattern, concealed)
}
