/**
 * Reasons of a `GatewayError` that concern a voice connection. They do not concern the gateway's own connection.
 */
import * as Schema from "effect/Schema"
import { durationText } from "./DurationText.ts"

/**
 * Discord did not answer a request to join a voice channel. It does not say why: a permission may be missing, the channel may be
 * full, or not there.
 *
 * @category errors
 * @since 0.1.0
 */
export class VoiceTimeout extends Schema.TaggedError<VoiceTimeout>("disruption-gateway/GatewayError/VoiceTimeout")(
  "VoiceTimeout",
  {
    guild: Schema.String,
    channel: Schema.String,
    after: Schema.DurationFromMillis,
    /** The dispatches that did not come. */
    missing: Schema.Array(Schema.Literals(["VOICE_STATE_UPDATE", "VOICE_SERVER_UPDATE"]))
  }
) {
  override get message() {
    return (
      `Not in the voice channel ${this.channel} within ${durationText(this.after)}: no ${this.missing.join(" and no ")} came. ` +
      "Check that the bot may see the channel and connect to it, that there is room, and that it asks for the intent " +
      "GUILD_VOICE_STATES"
    )
  }
}

/**
 * The bot is in no voice channel of the guild any more: it was disconnected by somebody, or the channel was deleted.
 *
 * @category errors
 * @since 0.1.0
 */
export class VoiceDisconnected extends Schema.TaggedError<VoiceDisconnected>(
  "disruption-gateway/GatewayError/VoiceDisconnected"
)("VoiceDisconnected", {
  guild: Schema.String
}) {
  override get message() {
    return `The bot is in no voice channel of the guild ${this.guild} any more`
  }
}
