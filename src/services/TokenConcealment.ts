/**
 * Messages about options without the token: a token that is pasted into another option or variable is not printed.
 */

/** What stands in a token's place. */
const concealed = "<redacted>"

/**
 * Three dot-separated base64url parts: by themselves, or within other text where they are as long as Discord's (the bot's
 * id, a time and a signature).
 */
const tokenShape = /(?<![\w.-])[\w-]+\.[\w-]+\.[\w-]+(?!\.?[\w-])|[\w-]{17,}\.[\w-]{4,}\.[\w-]{20,}/g

/** A host name such as `gateway.discord.gg` has a token's shape. A token begins with a capital letter, in base64url. */
const isHostName = (text: string): boolean => text.length < 50 && !/[A-Z_]/.test(text)

/** The message without the given token, and without whatever looks like one. */
export const concealToken = (message: string, token: string): string =>
  withoutGiven(message, token.trim()).replace(tokenShape, (text) => (isHostName(text) ? text : concealed))

/** A token as short as a word is only looked for as a whole value: the message itself may use the word. */
const withoutGiven = (message: string, token: string): string => {
  if (token === "") return message
  const quoted = JSON.stringify(token)
  return token.length < 8
    ? message.replaceAll(quoted, `"${concealed}"`)
    : message.replaceAll(token, concealed).replaceAll(quoted.slice(1, -1), concealed)
}
