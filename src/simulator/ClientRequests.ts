/**
 * Presence Update (op 3), Request Soundboard Sounds (op 31) and Request Channel Info (op 43): what is a request, and its answers.
 *
 * Discord, "Send Events": https://discord.com/developers/docs/events/gateway-events#send-events
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ClientSnowflake } from "./ClientJson.ts"
import { voiceChannelOf } from "./SampleGuild.ts"
import { indexOf } from "./Snowflakes.ts"

/** Dispatch that answers a request. */
export interface Answer {
  readonly t: string
  readonly d: unknown
}

const Presence = Schema.Struct({
  status: Schema.Literals(["online", "idle", "dnd", "invisible", "offline"]),
  activities: Schema.optionalKey(
    Schema.NullOr(Schema.Array(Schema.Struct({ name: Schema.String, type: Schema.optionalKey(Schema.Int) })))
  ),
  since: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  afk: Schema.optionalKey(Schema.Boolean)
})

/** Whether this is a presence. */
export const isPresence = Schema.is(Presence)

const decodeSounds = Schema.decodeUnknownOption(Schema.Struct({ guild_ids: Schema.Array(ClientSnowflake) }))

/** Answers a request for soundboard sounds, guild by guild; `undefined` for a malformed one. */
export const soundboardSounds = (d: unknown): ReadonlyArray<Answer> | undefined =>
  Option.getOrUndefined(
    Option.map(decodeSounds(d), ({ guild_ids }) =>
      guild_ids.map((id) => ({ t: "SOUNDBOARD_SOUNDS", d: { soundboard_sounds: [], guild_id: String(id) } }))
    )
  )

const decodeChannelInfo = Schema.decodeUnknownOption(
  Schema.Struct({ guild_id: ClientSnowflake, fields: Schema.Array(Schema.String) })
)

/** Answers a request for channel info: nobody has set a status. `undefined` for a malformed one. */
export const channelInfo = (d: unknown): ReadonlyArray<Answer> | undefined =>
  Option.getOrUndefined(
    Option.map(decodeChannelInfo(d), (request) => {
      const guild_id = String(request.guild_id)
      const channel = {
        id: voiceChannelOf(indexOf(guild_id)),
        ...(request.fields.includes("status") ? { status: null } : {}),
        ...(request.fields.includes("voice_start_time") ? { voice_start_time: null } : {})
      }
      return [{ t: "CHANNEL_INFO", d: { guild_id, channels: [channel] } }]
    })
  )
