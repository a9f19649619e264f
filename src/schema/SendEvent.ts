/**
 * Payloads that a program sends. They are checked first, as Discord closes the connection for one that it cannot
 * decode.
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

/**
 * A payload that a program sends, from a constructor such as `SendEvent.updatePresence(…)`.
 *
 * Discord, "Send Events": https://discord.com/developers/docs/events/gateway-events#send-events
 *
 * @category models
 * @since 0.1.0
 */
export type SendEvent =
  | { readonly op: typeof GatewayOpcode.PresenceUpdate; readonly d: GatewayPresenceUpdateData }
  | { readonly op: typeof GatewayOpcode.VoiceStateUpdate; readonly d: GatewayVoiceStateUpdateData }
  | { readonly op: typeof GatewayOpcode.RequestGuildMembers; readonly d: GatewayRequestGuildMembersData }
  | { readonly op: typeof GatewayOpcode.RequestSoundboardSounds; readonly d: GatewayRequestSoundboardSoundsData }
  | { readonly op: typeof GatewayOpcode.RequestChannelInfo; readonly d: RequestChannelInfo }
  /** Any other payload, sent unchanged. */
  | { readonly op: number; readonly d: unknown; readonly raw: true }

/**
 * Data of op 43: the requested fields of a guild's channels.
 *
 * @category models
 * @since 0.1.0
 */
export interface RequestChannelInfo {
  readonly guild_id: string
  readonly fields: ReadonlyArray<"status" | "voice_start_time">
}

/**
 * Constructors of the payloads that a program may send.
 *
 * @category constructors
 * @since 0.1.0
 */
export const SendEvent = {
  /** Sets the presence: `SendEvent.updatePresence({ status: "idle", … })`. It is sent again with the next IDENTIFY. */
  updatePresence: (d: GatewayPresenceUpdateData): SendEvent => ({ op: GatewayOpcode.PresenceUpdate, d }),
  /** Joins, moves between or leaves (`channel_id: null`) voice channels. */
  updateVoiceState: (d: GatewayVoiceStateUpdateData): SendEvent => ({ op: GatewayOpcode.VoiceStateUpdate, d }),
  /** Asks for members of a guild. `Gateway.requestGuildMembers` also collects the answer. */
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
  /** Any payload. Only its size is checked. */
  raw: (op: number, d: unknown): SendEvent => ({ op, d, raw: true })
} as const

// ---------------------------------------------------------------------------------------------------------------------
// Checks
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Largest payload that Discord accepts, in bytes.
 *
 * Discord, "Sending Events": https://discord.com/developers/docs/events/gateway#sending-events
 *
 * @category constants
 * @since 0.1.0
 */
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

/** Text frame of a checked payload. */
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
 * Routing of a payload to shards: the named shard, or those of the payload's guilds. Otherwise a presence goes to all,
 * and anything else to the first.
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

/** Guilds in a payload, which decide its shards. */
export const guildsOf = ({ d }: SendEvent): ReadonlyArray<string> => {
  if (Predicate.hasProperty(d, "guild_ids") && Array.isArray(d.guild_ids)) return d.guild_ids.map(String)
  const guild = Predicate.hasProperty(d, "guild_id") ? d.guild_id : undefined
  return Predicate.isString(guild) && /^\d+$/.test(guild) ? [guild] : []
}

/** Part of a payload for some of its guilds. */
export const forGuilds = (event: SendEvent, guilds: ReadonlyArray<string>): SendEvent =>
  event.op === GatewayOpcode.RequestSoundboardSounds && !("raw" in event)
    ? SendEvent.requestSoundboardSounds({ guild_ids: [...guilds] })
    : SendEvent.raw(event.op, { ...(Predicate.isObject(event.d) ? event.d : {}), guild_ids: guilds })
