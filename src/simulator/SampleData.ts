/**
 * Sample data: snowflakes, guilds, users and members that look real.
 *
 * All of it is derived from an index: guild 3 is the same in every run.
 */

const discordEpoch = 1_420_070_400_000n

/** 2021-01-01, the creation time of the guilds and users. */
const firstDay = 1_609_459_200_000n

/** Snowflake of an index. Adjacent indexes are on adjacent shards. */
export const snowflake = (index: number, kind = 0): string =>
  String(((firstDay - discordEpoch + BigInt(index)) << 22n) | BigInt(kind))

/** Snowflake of a time in milliseconds since 1970. Times before 2021, as of a `TestClock`, are counted from 2021. */
export const snowflakeAt = (millis: number, increment: number): string => {
  const at = BigInt(Math.floor(millis))
  return String((((at < firstDay ? at + firstDay : at) - discordEpoch) << 22n) | BigInt(increment % 4096))
}

const pick = (names: ReadonlyArray<string>, index: number): string => names[index % names.length] ?? ""

const adjectives = ["quiet", "brave", "sunny", "late", "tiny", "golden", "rusty", "polite", "electric", "northern"]
const nouns = ["otter", "lantern", "harbour", "comet", "teapot", "falcon", "meadow", "pixel", "anchor", "walnut"]
const places = ["Book Club", "Game Night", "Study Hall", "Speedrunners", "Synth Makers", "Garden Chat", "Makers"]

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

/** Member of a guild. */
export const member = (index: number) => ({
  user: user(index),
  nick: index % 3 === 0 ? pick(nouns, index) : null,
  avatar: null,
  roles: [],
  joined_at: "2021-06-01T12:00:00.000000+00:00",
  premium_since: null,
  deaf: false,
  mute: false,
  flags: 0,
  pending: false,
  communication_disabled_until: null
})

/** Number of members of each guild. */
export const guildSize = 3

/** Indexes of the members of a guild. */
const memberIndexes = (guildIndex: number): ReadonlyArray<number> =>
  Array.from({ length: guildSize }, (_, nth) => guildIndex + nth)

/** Members of a guild by its id. An id that is no snowflake gives the members of guild 0. */
export const membersOfGuild = (guildId: string) => {
  const index = /^\d+$/.test(guildId) ? Number((BigInt(guildId) >> 22n) - (firstDay - discordEpoch)) : 0
  return memberIndexes(Math.abs(index)).map(member)
}

/** Id of a guild's text channel. */
export const channelIdOf = (guildIndex: number): string => snowflake(guildIndex, 2)

/** Guild in the form of GUILD_CREATE, with one text channel. */
export const guild = (index: number) => {
  const id = snowflake(index)
  return {
    id,
    name: `${pick(adjectives, index)} ${pick(places, index)}`.replace(/^./, (letter) => letter.toUpperCase()),
    icon: null,
    splash: null,
    discovery_splash: null,
    owner_id: user(index).id,
    afk_channel_id: null,
    afk_timeout: 300,
    verification_level: 1,
    default_message_notifications: 1,
    explicit_content_filter: 2,
    roles: [],
    emojis: [],
    features: ["COMMUNITY"],
    mfa_level: 0,
    application_id: null,
    system_channel_id: channelIdOf(index),
    system_channel_flags: 0,
    rules_channel_id: null,
    vanity_url_code: null,
    description: null,
    banner: null,
    premium_tier: 0,
    preferred_locale: "en-US",
    public_updates_channel_id: null,
    nsfw_level: 0,
    premium_progress_bar_enabled: false,
    safety_alerts_channel_id: null,
    joined_at: "2021-06-01T12:00:00.000000+00:00",
    large: false,
    unavailable: false,
    member_count: guildSize,
    voice_states: [],
    members: memberIndexes(index).map(member),
    channels: [
      { id: channelIdOf(index), guild_id: id, type: 0, name: "general", position: 0, permission_overwrites: [] }
    ],
    threads: [],
    presences: [],
    stage_instances: [],
    guild_scheduled_events: [],
    soundboard_sounds: []
  }
}
