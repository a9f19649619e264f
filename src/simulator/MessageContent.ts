/**
 * Content of messages, which sessions without the intent MESSAGE_CONTENT get only of the bot's own messages, of direct messages,
 * and of those that mention the bot.
 *
 * Discord, "Message Content Intent": https://discord.com/developers/docs/events/gateway#message-content-intent
 */
import * as Predicate from "effect/Predicate"
import { Intents } from "../schema/Intents.ts"
import { applicationId } from "./Bot.ts"

/** Values of the fields with content where there is none. A `poll` is left out. */
const empty = { content: "", embeds: [], attachments: [], components: [] } as const

/** The `d` of an event as some of the sessions get it, and encoded. */
interface View {
  readonly d: unknown
  readonly json: string
}

/** Views of an event by the intents of a session. Each is encoded once, for all sessions together. */
export const viewsOf = (event: string, d: unknown): ((intents: number) => View) => {
  const whole = encoded(d)
  let bare: View | undefined
  return (intents) => {
    if ((intents & Intents.MESSAGE_CONTENT) !== 0) return whole
    if (bare === undefined) {
      const seen = withoutContent(event, d)
      bare = seen === d ? whole : encoded(seen)
    }
    return bare
  }
}

/** Values outside of JSON, such as `undefined`, become `null`. */
const encoded = (d: unknown): View => ({ d, json: JSON.stringify(d) ?? "null" })

/** The `d` of an event as a session without MESSAGE_CONTENT gets it; the same value if nothing is withheld. */
const withoutContent = (event: string, d: unknown): unknown =>
  (event === "MESSAGE_CREATE" || event === "MESSAGE_UPDATE") && Predicate.hasProperty(d, "guild_id") ? withheld(d) : d

const withheld = (message: object): unknown => {
  if (isOwn(message) || mentionsBot(message)) return message
  const kept: Record<string, unknown> = { ...message }
  delete kept["poll"]
  for (const [field, value] of Object.entries(empty)) if (field in kept) kept[field] = value
  if (Predicate.isObject(kept["referenced_message"])) kept["referenced_message"] = withheld(kept["referenced_message"])
  return kept
}

const isBot = (user: unknown): boolean => Predicate.hasProperty(user, "id") && user.id === applicationId

const isOwn = (message: object): boolean => Predicate.hasProperty(message, "author") && isBot(message.author)

const mentionsBot = (message: object): boolean =>
  Predicate.hasProperty(message, "mentions") && Array.isArray(message.mentions) && message.mentions.some(isBot)
