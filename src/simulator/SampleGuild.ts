/**
 * Sample guild: a text channel, a voice channel, the role @everyone, and members.
 *
 * All of it is derived from an index: guild 3 is the same in every run.
 */
import { adjectives, membersOf, pick, user } from "./SampleMembers.ts"
import { snowflake } from "./Snowflakes.ts"

const places = ["Book Club", "Game Night", "Study Hall", "Speedrunners", "Synth Makers", "Garden Chat", "Makers"]

/** Id of a guild's text channel. */
export const textChannelOf = (guildIndex: number): string => snowflake(guildIndex, 2)

/** Id of a guild's voice channel. */
export const voiceChannelOf = (guildIndex: number): string => snowflake(guildIndex, 3)

/**
 * Permissions of @everyone: view channels, send messages, embed links, attach files, read the history, react, connect and speak.
 * Discord, "Permissions": https://discord.com/developers/docs/topics/permissions
 */
const everyonesPermissions = [6, 10, 11, 14, 15, 16, 20, 21].reduce((bits, bit) => bits | (1 << bit), 0)

const everyone = (guildId: string) => ({
  id: guildId,
  name: "@everyone",
  description: null,
  color: 0,
  colors: { primary_color: 0, secondary_color: null, tertiary_color: null },
  hoist: false,
  icon: null,
  unicode_emoji: null,
  position: 0,
  permissions: String(everyonesPermissions),
  managed: false,
  mentionable: false,
  flags: 0
})

const channel = (id: string, guildId: string, type: number, name: string) => ({
  id,
  guild_id: guildId,
  type,
  name,
  position: 0,
  permission_overwrites: [],
  parent_id: null,
  nsfw: false,
  last_message_id: null,
  rate_limit_per_user: 0,
  flags: 0
})

/** Channels of the guild of an index. */
export const channelsOf = (index: number) => [
  { ...channel(textChannelOf(index), snowflake(index), 0, "general"), topic: null },
  {
    ...channel(voiceChannelOf(index), snowflake(index), 2, "Lounge"),
    bitrate: 64_000,
    user_limit: 0,
    rtc_region: null
  }
]

/** Guild in the form of GUILD_CREATE, with these states in its voice channel. */
export const guild = (index: number, voiceStates: ReadonlyArray<unknown> = []) => {
  const id = snowflake(index)
  const members = membersOf(index)
  return {
    id,
    name: `${pick(adjectives, index)} ${pick(places, index)}`.replace(/^./, (letter) => letter.toUpperCase()),
    icon: null,
    splash: null,
    discovery_splash: null,
    owner_id: user(index).id,
    region: "deprecated",
    afk_channel_id: null,
    afk_timeout: 300,
    verification_level: 1,
    default_message_notifications: 1,
    explicit_content_filter: 2,
    roles: [everyone(id)],
    emojis: [],
    stickers: [],
    features: ["COMMUNITY"],
    mfa_level: 0,
    application_id: null,
    system_channel_id: textChannelOf(index),
    system_channel_flags: 0,
    rules_channel_id: null,
    max_members: 500_000,
    max_presences: null,
    max_video_channel_users: 25,
    max_stage_video_channel_users: 50,
    vanity_url_code: null,
    description: null,
    banner: null,
    premium_tier: 0,
    premium_subscription_count: 0,
    preferred_locale: "en-US",
    public_updates_channel_id: null,
    nsfw: false,
    nsfw_level: 0,
    hub_type: null,
    premium_progress_bar_enabled: false,
    safety_alerts_channel_id: null,
    incidents_data: null,
    joined_at: "2021-06-01T12:00:00.000000+00:00",
    large: false,
    unavailable: false,
    member_count: members.length,
    voice_states: voiceStates,
    members,
    channels: channelsOf(index),
    threads: [],
    presences: [],
    stage_instances: [],
    guild_scheduled_events: [],
    soundboard_sounds: []
  }
}
