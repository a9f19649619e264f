/**
 * Redaction of tokens in messages about options, also of a token that was pasted into another option or variable.
 */

/** Replacement of a token. */
const concealed = "<redacted>"

/**
 * Shape of a token: three base64url parts with dots between (the bot's id, a time and a signature). Within other text
 * only parts as long as Discord's match.
 */
const tokenShape = /(?<![\w.-])[\w-]+\.[\w-]+\.[\w-]+(?!\.?[\w-])|[\w-]{17,}\.[\w-]{4,}\.[\w-]{20,}/g

/** Host names such as `gateway.discord.gg` have the same shape, but no capital letter; tokens begin with one. */
const isHostName = (text: string): boolean => text.length < 50 && !/[A-Z_]/.test(text)

/** The message without the given token, and without anything of a token's shape. */
export const concealToken = (message: string, token: string): string =>
  withoutGiven(message, token.trim()).replace(tokenShape, (text) => (isHostName(text) ? text : concealed))

/** The message without the given token. One as short as a word is only replaced as a whole quoted value. */
const withoutGiven = (message: string, token: string): string => {
  if (token === "") return message
  const quoted = JSON.stringify(token)
  return token.length < 8
    ? message.replaceAll(quoted, `"${concealed}"`)
    : message.replaceAll(token, concealed).replaceAll(quoted.slice(1, -1), concealed)
}
