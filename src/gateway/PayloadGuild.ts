/**
 * The guild that a payload is about.
 */
import * as Predicate from "effect/Predicate"
import type { Payload } from "../schema/Payload.ts"

/** Payloads of guilds whose id is that of the guild. */
const guildEvents: ReadonlySet<string> = new Set(["GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE"])

/** The id of a payload's guild; undefined where it has none. */
export const guildOf = ({ d, t }: Payload): string | undefined => {
  if (Predicate.hasProperty(d, "guild_id") && Predicate.isString(d.guild_id)) return d.guild_id
  const isGuild = t !== null && guildEvents.has(t)
  return isGuild && Predicate.hasProperty(d, "id") && Predicate.isString(d.id) ? d.id : undefined
}
