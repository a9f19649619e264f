/**
 * Summary of an event in a few words: the author and the message, the user and the reaction.
 *
 * The data is not trusted: an event of another shape has a shorter summary.
 */
import * as Predicate from "effect/Predicate"
import type { DispatchName, Payload } from "../schema/Payload.ts"

/** Summary of a dispatch, or an empty string. */
export const summaryOf = ({ d, t }: Payload): string => (t === null ? "" : (gists.get(t) ?? about)(d))

type EventSummary = (d: unknown) => string

/** Value at a path of objects: `at(d, "member.user")`. */
const at = (d: unknown, path: string): unknown =>
  path.split(".").reduce((value: unknown, key) => (Predicate.hasProperty(value, key) ? value[key] : undefined), d)

const text = (d: unknown, path: string): string => {
  const value = at(d, path)
  return typeof value === "string" || typeof value === "number" ? String(value) : ""
}

const count = (d: unknown, path: string): number => {
  const value = at(d, path)
  return Array.isArray(value) ? value.length : 0
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

/** Name of the user at a path, or else the id. */
const who = (d: unknown, path: string): string =>
  text(d, `${path}.global_name`) || text(d, `${path}.username`) || text(d, `${path}.id`)

const whoDidIt = (d: unknown): string => who(d, "member.user") || who(d, "user") || text(d, "user_id")

const about: EventSummary = (d) => text(d, "name") || whoDidIt(d)

const message: EventSummary = (d) => {
  const author = who(d, "author")
  const content = text(d, "content").slice(0, 200) || attached(d)
  return author === "" ? content : `${author}: ${content}`
}

const attached = (d: unknown): string => {
  const attachments = count(d, "attachments")
  if (attachments > 0) return plural(attachments, "attachment")
  const embeds = count(d, "embeds")
  return embeds > 0 ? plural(embeds, "embed") : "(without content)"
}

const reaction: EventSummary = (d) => `${whoDidIt(d)} ${text(d, "emoji.name")}`.trim()

const guild: EventSummary = (d) =>
  at(d, "unavailable") === true
    ? `${text(d, "id")} (unavailable)`
    : [text(d, "name"), text(d, "member_count") && `${text(d, "member_count")} members`].filter(Boolean).join(", ")

const known: Partial<Record<DispatchName, EventSummary>> = {
  READY: (d) => [who(d, "user"), plural(count(d, "guilds"), "guild")].filter(Boolean).join(", "),
  GUILD_CREATE: guild,
  GUILD_UPDATE: guild,
  GUILD_DELETE: guild,
  MESSAGE_CREATE: message,
  MESSAGE_UPDATE: message,
  MESSAGE_DELETE: (d) => `message ${text(d, "id")}`,
  MESSAGE_DELETE_BULK: (d) => plural(count(d, "ids"), "message"),
  MESSAGE_REACTION_ADD: reaction,
  MESSAGE_REACTION_REMOVE: reaction,
  PRESENCE_UPDATE: (d) => `${who(d, "user")} is ${text(d, "status") || "somewhere"}`,
  VOICE_STATE_UPDATE: (d) =>
    `${whoDidIt(d)} ${text(d, "channel_id") === "" ? "is in no voice channel" : `is in voice channel ${text(d, "channel_id")}`}`,
  INTERACTION_CREATE: (d) => `${whoDidIt(d)} ${text(d, "data.name") && `/${text(d, "data.name")}`}`.trim(),
  GUILD_MEMBERS_CHUNK: (d) => plural(count(d, "members"), "member"),
  RATE_LIMITED: (d) => `opcode ${text(d, "opcode")}, again in ${text(d, "retry_after")} s`
}

/** A map, as an object would also have an entry for the name `constructor`. */
const gists: ReadonlyMap<string, EventSummary> = new Map(Object.entries(known))
