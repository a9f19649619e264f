/**
 * Sample events, whole and typed, for tests of bots: a test names the fields that matter to it.
 *
 * All are of one guild, its text channel and one member, and the same at each call.
 */
import { GuildFeature, Locale, PresenceUpdateStatus } from "discord-api-types/v10"
import * as Predicate from "effect/Predicate"
import type { DispatchData } from "../schema/Payload.ts"
import { applicationId } from "./Bot.ts"
import { guild as plainGuild, textChannelOf, voiceChannelOf } from "./SampleGuild.ts"
import { member as memberOf } from "./SampleMembers.ts"
import { snowflake } from "./Snowflakes.ts"

/**
 * Part of a value: any of its fields, and of those in it. Lists are whole.
 *
 * @since 0.1.0
 * @category models
 */
export type PartOf<T> =
  T extends ReadonlyArray<unknown>
    ? T
    : T extends object
      ? { readonly [Field in keyof T]?: PartOf<T[Field]> | undefined }
      : T

/**
 * Name of an event of which there is a sample.
 *
 * @since 0.1.0
 * @category models
 */
export type SampleName =
  | "CHANNEL_CREATE"
  | "CHANNEL_DELETE"
  | "CHANNEL_UPDATE"
  | "GUILD_BAN_ADD"
  | "GUILD_BAN_REMOVE"
  | "GUILD_CREATE"
  | "GUILD_DELETE"
  | "GUILD_MEMBER_ADD"
  | "GUILD_MEMBER_REMOVE"
  | "GUILD_MEMBER_UPDATE"
  | "GUILD_ROLE_CREATE"
  | "GUILD_ROLE_DELETE"
  | "GUILD_ROLE_UPDATE"
  | "GUILD_UPDATE"
  | "INTERACTION_CREATE"
  | "MESSAGE_CREATE"
  | "MESSAGE_DELETE"
  | "MESSAGE_DELETE_BULK"
  | "MESSAGE_REACTION_ADD"
  | "MESSAGE_REACTION_REMOVE"
  | "MESSAGE_UPDATE"
  | "PRESENCE_UPDATE"
  | "THREAD_CREATE"
  | "THREAD_DELETE"
  | "THREAD_UPDATE"
  | "TYPING_START"
  | "USER_UPDATE"
  | "VOICE_STATE_UPDATE"

/**
 * Data of the events of which there are samples, by their names.
 *
 * @since 0.1.0
 * @category models
 */
export type SampleData = Pick<DispatchData, SampleName>

/** 2021-01-01. */
const time = "2021-01-01T12:00:00.000000+00:00"
const guild_id = snowflake(0)
const channel_id = textChannelOf(0)
const message_id = snowflake(1, 4)
const role_id = snowflake(0, 5)
const place = { channel_id, guild_id }

const member = memberOf(1)
const { user, ...membership } = member
const emoji = { id: null, name: "👍" }

const guild = {
  ...plainGuild(0),
  afk_timeout: 300 as const,
  features: [GuildFeature.Community],
  members: [member],
  preferred_locale: Locale.EnglishUS,
  voice_states: []
}

const channel = {
  id: channel_id,
  guild_id,
  type: 0 as const,
  name: "general",
  position: 0,
  permission_overwrites: [],
  parent_id: null,
  nsfw: false,
  last_message_id: null,
  rate_limit_per_user: 0,
  topic: null,
  flags: 0
}

const thread = {
  id: message_id,
  guild_id,
  type: 11 as const,
  name: "a thread",
  parent_id: channel_id,
  owner_id: user.id,
  last_message_id: null,
  rate_limit_per_user: 0,
  message_count: 0,
  member_count: 1,
  total_message_sent: 0,
  flags: 0,
  applied_tags: [],
  thread_metadata: { archived: false, auto_archive_duration: 1440 as const, archive_timestamp: time, locked: false }
}

const role = {
  id: role_id,
  name: "helpers",
  color: 0,
  colors: { primary_color: 0, secondary_color: null, tertiary_color: null },
  hoist: false,
  icon: null,
  unicode_emoji: null,
  position: 1,
  permissions: "0",
  managed: false,
  mentionable: false,
  flags: 0
}

const message = {
  id: message_id,
  type: 0,
  ...place,
  author: user,
  member: membership,
  content: "hello",
  timestamp: time,
  edited_timestamp: null,
  tts: false,
  mention_everyone: false,
  mentions: [],
  mention_roles: [],
  attachments: [],
  embeds: [],
  components: [],
  pinned: false,
  flags: 0
}

const reaction = { user_id: user.id, ...place, message_id, emoji, burst: false, type: 0 }

const samples: SampleData = {
  CHANNEL_CREATE: channel,
  CHANNEL_DELETE: channel,
  CHANNEL_UPDATE: channel,
  GUILD_BAN_ADD: { guild_id, user },
  GUILD_BAN_REMOVE: { guild_id, user },
  GUILD_CREATE: guild,
  GUILD_DELETE: { id: guild_id },
  GUILD_MEMBER_ADD: { ...member, guild_id },
  GUILD_MEMBER_REMOVE: { guild_id, user },
  GUILD_MEMBER_UPDATE: { ...member, guild_id },
  GUILD_ROLE_CREATE: { guild_id, role },
  GUILD_ROLE_DELETE: { guild_id, role_id },
  GUILD_ROLE_UPDATE: { guild_id, role },
  GUILD_UPDATE: guild,
  INTERACTION_CREATE: {
    id: snowflake(1, 6),
    application_id: applicationId,
    type: 2,
    data: { id: snowflake(1, 7), name: "ping", type: 1 },
    ...place,
    channel,
    member: { ...member, permissions: "0" },
    token: "sample-interaction",
    version: 1,
    app_permissions: "0",
    locale: Locale.EnglishUS,
    guild_locale: Locale.EnglishUS,
    entitlements: [],
    authorizing_integration_owners: { 0: guild_id },
    context: 0,
    attachment_size_limit: 10_485_760
  },
  MESSAGE_CREATE: message,
  MESSAGE_DELETE: { id: message_id, ...place },
  MESSAGE_DELETE_BULK: { ids: [message_id], ...place },
  MESSAGE_REACTION_ADD: { ...reaction, member, message_author_id: user.id, burst_colors: [] },
  MESSAGE_REACTION_REMOVE: reaction,
  MESSAGE_UPDATE: { ...message, content: "hello again", edited_timestamp: time },
  PRESENCE_UPDATE: {
    user: { id: user.id },
    guild_id,
    status: PresenceUpdateStatus.Online,
    activities: [],
    client_status: { desktop: PresenceUpdateStatus.Online }
  },
  THREAD_CREATE: { ...thread, newly_created: true },
  THREAD_DELETE: { id: message_id, guild_id, parent_id: channel_id, type: 11 },
  THREAD_UPDATE: thread,
  TYPING_START: { ...place, user_id: user.id, timestamp: 1_609_502_400, member },
  USER_UPDATE: user,
  VOICE_STATE_UPDATE: {
    guild_id,
    channel_id: voiceChannelOf(0),
    user_id: user.id,
    member,
    session_id: "0123456789abcdef0123456789abcdef",
    deaf: false,
    mute: false,
    self_deaf: false,
    self_mute: false,
    self_video: false,
    suppress: false,
    request_to_speak_timestamp: null
  }
}

/**
 * Data of a whole event, as a bot gets it, with fields of the test's own: objects are merged, lists replaced. The same at each
 * call.
 *
 * ```ts
 * simulator.dispatch("MESSAGE_CREATE", sampleEvent("MESSAGE_CREATE", { content: "hi", author: { username: "ada" } }))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const sampleEvent = <Name extends SampleName>(
  name: Name,
  fields?: PartOf<SampleData[Name]>
): SampleData[Name] => {
  return merged(samples[name], fields)
}

/** A deep merge, which makes no change in either value. */
function merged<T>(whole: T, part: PartOf<T> | undefined): T
function merged(whole: unknown, part: unknown): unknown {
  if (part === undefined) return whole
  if (!isPlain(whole) || !isPlain(part)) return part
  return Object.fromEntries(
    [...new Set([...Object.keys(whole), ...Object.keys(part)])].map((field) => [
      field,
      merged(whole[field], part[field])
    ])
  )
}

const isPlain = (value: unknown): value is Readonly<Record<string, unknown>> =>
  Predicate.isObject(value) && !Array.isArray(value)
