/**
 * What a program may send to Discord, checked before it leaves: a payload that Discord cannot decode costs the connection.
 *
 * Source: Discord, "Send Events".
 */
import type {
  GatewayPresenceUpdateData,
  GatewayRequestGuildMembersData,
  GatewayRequestSoundboardSoundsData,
  GatewayVoiceStateUpdateData
} from "discord-api-types/v10"
import * as Arr from "effect/Array"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import { InvalidSendEvent } from "./SendError.ts"
import { GatewayOpcode } from "./GatewayOpcode.ts"
import { PresenceUpdate } from "./PresenceUpdate.ts"
import { shardOfGuild } from "./ShardId.ts"

/** A payload that a program sends. Make it with `SendEvent.updatePresence(…)` and its like. */
export type SendEvent =
  | { readonly op: typeof GatewayOpcode.PresenceUpdate; readonly d: GatewayPresenceUpdateData }
  | { readonly op: typeof GatewayOpcode.VoiceStateUpdate; readonly d: GatewayVoiceStateUpdateData }
  | { readonly op: typeof GatewayOpcode.RequestGuildMembers; readonly d: GatewayRequestGuildMembersData }
  | { readonly op: typeof GatewayOpcode.RequestSoundboardSounds; readonly d: GatewayRequestSoundboardSoundsData }
  | { readonly op: typeof GatewayOpcode.RequestChannelInfo; readonly d: RequestChannelInfo }
  /** Anything else: sent as it is. */
  | { readonly op: number; readonly d: unknown; readonly raw: true }

/** op 43: what is asked about a guild's channels. */
export interface RequestChannelInfo {
  readonly guild_id: string
  readonly fields: ReadonlyArray<"status" | "voice_start_time">
}

/** The payloads that a program may send, by name. */
export const SendEvent = {
  /** Sets the presence: `SendEvent.updatePresence({ status: "idle", … })`. It is sent again with the next IDENTIFY. */
  updatePresence: (d: GatewayPresenceUpdateData): SendEvent => ({ op: GatewayOpcode.PresenceUpdate, d }),
  /** Joins, moves between or leaves (`channel_id: null`) voice channels. */
  updateVoiceState: (d: GatewayVoiceStateUpdateData): SendEvent => ({ op: GatewayOpcode.VoiceStateUpdate, d }),
  /** Asks for members of a guild. `Gateway.requestGuildMembers` also gathers the answer. */
  requestGuildMembers: (d: GatewayRequestGuildMembersData): SendEvent => ({
    op: GatewayOpcode.RequestGuildMembers,
    d
  }),
  /** Asks for the soundboard sounds of guilds. */
  requestSoundboardSounds: (d: GatewayRequestSoundboardSoundsData): SendEvent => ({
    op: GatewayOpcode.RequestSoundboardSounds,
    d
  }),
  /** Asks for information on a guild's channels. */
  requestChannelInfo: (d: RequestChannelInfo): SendEvent => ({ op: GatewayOpcode.RequestChannelInfo, d }),
  /** Sends anything. Only its size is checked. */
  raw: (op: number, d: unknown): SendEvent => ({ op, d, raw: true })
} as const

// ---------------------------------------------------------------------------------------------------------------------
// Checks
// ---------------------------------------------------------------------------------------------------------------------

/** The largest payload that Discord takes, in bytes. */
export const maxSendBytes = 4096

const Snowflake = Schema.String.check(Schema.isPattern(/^\d{1,20}$/, { message: "is not a snowflake" }))
const Nonce = Schema.String.check(
  Schema.makeFilter((nonce: string) => byteLength(nonce) <= 32 || "is over 32 bytes: Discord would ignore it")
)

const VoiceStateUpdate = Schema.Struct({
  guild_id: Snowflake,
  channel_id: Schema.NullOr(Snowflake),
  self_mute: Schema.Boolean,
  self_deaf: Schema.Boolean
})

const RequestGuildMembers = Schema.Struct({
  guild_id: Snowflake,
  query: Schema.optional(Schema.String),
  limit: Schema.optional(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  presences: Schema.optional(Schema.Boolean),
  user_ids: Schema.optional(Schema.Union([Snowflake, Schema.Array(Snowflake).check(Schema.isMaxLength(100))])),
  nonce: Schema.optional(Nonce)
}).check(
  Schema.makeFilter(({ limit, query, user_ids }) => {
    if ((query === undefined) === (user_ids === undefined)) {
      return { path: ["query"], issue: "takes exactly one of query and user_ids" }
    }
    return query !== undefined && limit === undefined
      ? { path: ["limit"], issue: "is required with query; 0 is for all members" }
      : undefined
  })
)

const RequestSoundboardSounds = Schema.Struct({ guild_ids: Schema.Array(Snowflake).check(Schema.isMinLength(1)) })

const ChannelInfoRequest = Schema.Struct({
  guild_id: Snowflake,
  fields: Schema.Array(Schema.Literals(["status", "voice_start_time"])).check(Schema.isMinLength(1))
})

const checkOf = (schema: Schema.ConstraintDecoder<unknown>) => SchemaParser.decodeUnknownResult(schema)

const checks = new Map<number, ReturnType<typeof checkOf>>([
  [GatewayOpcode.PresenceUpdate, checkOf(PresenceUpdate)],
  [GatewayOpcode.VoiceStateUpdate, checkOf(VoiceStateUpdate)],
  [GatewayOpcode.RequestGuildMembers, checkOf(RequestGuildMembers)],
  [GatewayOpcode.RequestSoundboardSounds, checkOf(RequestSoundboardSounds)],
  [GatewayOpcode.RequestChannelInfo, checkOf(ChannelInfoRequest)]
])

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** The text frame of a payload, or what is wrong with it. */
export const encodeSendEvent = (event: SendEvent): Result.Result<string, InvalidSendEvent> => {
  const check = "raw" in event ? undefined : checks.get(event.op)
  const checked = check?.(event.d)
  if (checked !== undefined && Result.isFailure(checked)) {
    const [first] = issuesOf(checked.failure).issues
    const path = (first?.path ?? []).map((segment) => String(Predicate.isObject(segment) ? segment.key : segment))
    return Result.fail(
      new InvalidSendEvent({ field: ["d", ...path].join("."), description: first?.message ?? "is wrong" })
    )
  }
  return Result.flatMap(encode(event), (text) => {
    const size = byteLength(text)
    return size <= maxSendBytes
      ? Result.succeed(text)
      : Result.fail(
          new InvalidSendEvent({ field: "d", description: `is ${size} bytes as JSON: Discord takes ${maxSendBytes}` })
        )
  })
}

const encode = ({ d, op }: SendEvent): Result.Result<string, InvalidSendEvent> =>
  Result.try({
    try: () => JSON.stringify({ op, d }),
    catch: () => new InvalidSendEvent({ field: "d", description: "cannot be written as JSON" })
  })

const textEncoder = new TextEncoder()
const byteLength = (text: string): number => textEncoder.encode(text).byteLength

/**
 * What goes through which of the shards: through the one that is named, or the one of the guild, or those of the guilds; a
 * presence through all, anything else through the first.
 */
export const route = (
  event: SendEvent,
  named: number | undefined,
  shards: { readonly ids: ReadonlyArray<number>; readonly total: number }
): ReadonlyArray<readonly [id: number, part: SendEvent]> => {
  if (named !== undefined) return [[named, event]]
  if (event.op === GatewayOpcode.PresenceUpdate) return shards.ids.map((id) => [id, event])
  const byShard = Object.entries(Arr.groupBy(guildsOf(event), (guild) => String(shardOfGuild(guild, shards.total))))
  if (byShard.length === 0) return [[Math.min(...shards.ids), event]]
  return byShard.map(([id, guilds]) => [Number(id), byShard.length === 1 ? event : forGuilds(event, guilds)])
}

/** The guilds that a payload is about: their shards are where it goes. */
export const guildsOf = ({ d }: SendEvent): ReadonlyArray<string> => {
  if (Predicate.hasProperty(d, "guild_ids") && Array.isArray(d.guild_ids)) return d.guild_ids.map(String)
  const guild = Predicate.hasProperty(d, "guild_id") ? d.guild_id : undefined
  return Predicate.isString(guild) && /^\d+$/.test(guild) ? [guild] : []
}

/** The part of a payload on several guilds that concerns some of them. */
export const forGuilds = (event: SendEvent, guilds: ReadonlyArray<string>): SendEvent =>
  event.op === GatewayOpcode.RequestSoundboardSounds && !("raw" in event)
    ? SendEvent.requestSoundboardSounds({ guild_ids: [...guilds] })
    : SendEvent.raw(event.op, { ...(Predicate.isObject(event.d) ? event.d : {}), guild_ids: guilds })
