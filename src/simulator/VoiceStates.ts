/**
 * Voice State Update (op 4), answered by VOICE_STATE_UPDATE, and on joining or moving by VOICE_SERVER_UPDATE.
 *
 * Discord, "Update Voice State": https://discord.com/developers/docs/events/gateway-events#update-voice-state
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { applicationId } from "./Bot.ts"
import { ClientSnowflake } from "./ClientJson.ts"
import type { Answer } from "./ClientRequests.ts"
import { botMember } from "./SampleMembers.ts"

const Update = Schema.Struct({
  guild_id: ClientSnowflake,
  channel_id: Schema.NullOr(ClientSnowflake),
  self_mute: Schema.Boolean,
  self_deaf: Schema.Boolean
})

const decode = Schema.decodeUnknownOption(Update)

/** Voice states of the bot in one session. */
export class VoiceStates {
  private readonly channels = new Map<string, string>()
  private joins = 0

  /** Answers an update of the session with this id; `undefined` for a malformed one. */
  answer(d: unknown, sessionId: string): ReadonlyArray<Answer> | undefined {
    const update = decode(d)
    if (Option.isNone(update)) return undefined
    const { self_deaf, self_mute } = update.value
    const guild_id = String(update.value.guild_id)
    const channel_id = update.value.channel_id === null ? null : String(update.value.channel_id)
    const before = this.channels.get(guild_id) ?? null
    // Leaving nothing changes nothing.
    if (channel_id === null && before === null) return []
    if (channel_id === null) this.channels.delete(guild_id)
    else this.channels.set(guild_id, channel_id)
    const state: Answer = {
      t: "VOICE_STATE_UPDATE",
      d: {
        guild_id,
        channel_id,
        user_id: applicationId,
        member: botMember,
        session_id: sessionId,
        deaf: false,
        mute: false,
        self_deaf,
        self_mute,
        self_video: false,
        suppress: false,
        request_to_speak_timestamp: null
      }
    }
    if (channel_id === null || channel_id === before) return [state]
    this.joins += 1
    const token = `voice-${sessionId.slice(-8)}-${this.joins}`
    return [
      state,
      { t: "VOICE_SERVER_UPDATE", d: { guild_id, token, endpoint: `simulated${this.joins}.discord.media:443` } }
    ]
  }
}
