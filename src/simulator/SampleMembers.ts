/**
 * Sample users and members.
 *
 * All of them are derived from an index: user 3 is the same in every run.
 */
import { botUser } from "./Bot.ts"
import { indexOf, snowflake } from "./Snowflakes.ts"

export const adjectives = [
  "quiet",
  "brave",
  "sunny",
  "late",
  "tiny",
  "golden",
  "rusty",
  "polite",
  "electric",
  "northern"
]
const nouns = ["otter", "lantern", "harbour", "comet", "teapot", "falcon", "meadow", "pixel", "anchor", "walnut"]

/** Name of an index, from a list. */
export const pick = (names: ReadonlyArray<string>, index: number): string => names[index % names.length] ?? ""

/** User. */
export const user = (index: number) => {
  const name = `${pick(adjectives, index)}_${pick(nouns, Math.floor(index / adjectives.length))}`
  return {
    id: snowflake(index, 1),
    username: `${name}${index}`,
    discriminator: "0",
    global_name: name.replace("_", " "),
    avatar: null,
    public_flags: 0
  }
}

const membership = {
  nick: null,
  avatar: null,
  banner: null,
  roles: [],
  joined_at: "2021-06-01T12:00:00.000000+00:00",
  premium_since: null,
  deaf: false,
  mute: false,
  flags: 0,
  pending: false,
  communication_disabled_until: null
}

/** Member of a guild. */
export const member = (index: number) => ({
  ...membership,
  user: user(index),
  nick: index % 3 === 0 ? pick(nouns, index) : null
})

/** Number of members of each guild beside the bot. */
export const guildSize = 3

/** The bot as a member of every guild. */
export const botMember = { ...membership, user: botUser }

/** Members of the guild of an index, the bot among them. */
export const membersOf = (guildIndex: number) => [
  botMember,
  ...Array.from({ length: guildSize }, (_, nth) => member(guildIndex + nth))
]

/** Members of a guild by its id. An id that is no snowflake gives the members of guild 0. */
export const membersOfGuild = (guildId: string) => membersOf(indexOf(guildId))
