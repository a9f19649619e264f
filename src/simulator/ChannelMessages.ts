/**
 * POST /channels/{channel.id}/messages: a message of the bot's, which the gateway tells of as of any other.
 *
 * Discord, "Create Message": https://discord.com/developers/docs/resources/message#create-message
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { botMember } from "./SampleMembers.ts"
import { botUser } from "./Bot.ts"
import type { SimulatedDiscord } from "./SimulatedDiscord.ts"
import { indexOf, snowflake, snowflakeAt } from "./Snowflakes.ts"

/** Parts of the body that the answer repeats. */
const Body = Schema.fromJsonString(
  Schema.Struct({
    content: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(2000))),
    embeds: Schema.optionalKey(Schema.Array(Schema.Unknown)),
    tts: Schema.optionalKey(Schema.Boolean),
    nonce: Schema.optionalKey(Schema.Union([Schema.String, Schema.Number])),
    message_reference: Schema.optionalKey(Schema.Unknown)
  })
)

const decode = Schema.decodeUnknownOption(Body)

/** Answer of the REST API. */
interface Answer {
  readonly status: number
  readonly body: unknown
}

const refused = (code: number, message: string): Answer => ({ status: 400, body: { code, message } })

/** Creates the message of a request and dispatches it. */
export const create = (discord: SimulatedDiscord, channel_id: string, body: string | undefined): Answer => {
  const asked = decode(body)
  if (Option.isNone(asked)) return refused(50035, "Invalid Form Body")
  const { content = "", embeds = [], tts = false, ...rest } = asked.value
  if (content === "" && embeds.length === 0) return refused(50006, "Cannot send an empty message")
  const now = discord.timers.now()
  const guild_id = snowflake(indexOf(channel_id))
  const message = {
    id: snowflakeAt(now, discord.counts.httpRequests),
    type: 0,
    channel_id,
    author: botUser,
    content,
    timestamp: DateTime.formatIso(DateTime.makeUnsafe(now)),
    edited_timestamp: null,
    tts,
    mention_everyone: false,
    mentions: [],
    mention_roles: [],
    attachments: [],
    embeds,
    components: [],
    pinned: false,
    flags: 0,
    ...rest
  }
  const { user: _, ...member } = botMember
  const isOfGuild = discord.guilds.get(guild_id) !== undefined
  discord.dispatch("MESSAGE_CREATE", isOfGuild ? { ...message, guild_id, member } : message)
  return { status: 200, body: message }
}
