/**
 * A bot's voice connection as far as the gateway makes it: the credentials that a voice library takes. No media.
 *
 * Discord, "Connecting to Voice": https://discord.com/developers/docs/topics/voice-connections#retrieving-voice-server-information
 */
import type { GatewayVoiceServerUpdateDispatchData, GatewayVoiceStateUpdateDispatchData } from "discord-api-types/v10"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { GatewayError } from "../schema/GatewayError.ts"

/**
 * Credentials for a voice library: the halves that VOICE_STATE_UPDATE and VOICE_SERVER_UPDATE bring.
 *
 * @category models
 * @since 0.1.0
 */
export interface VoiceServer {
  readonly guildId: string
  readonly channelId: string
  readonly userId: string
  readonly sessionId: string
  /** Token of the voice connection, not the bot's. It lets whoever has it speak for the bot. */
  readonly token: string
  /** Host and port of the voice server, without a protocol. */
  readonly endpoint: string
}

/**
 * The voice channel to join.
 *
 * @category models
 * @since 0.1.0
 */
export interface JoinVoiceChannel {
  /** Id of the guild. */
  readonly guild: string
  /** Id of its voice channel. */
  readonly channel: string
  /** Default: false. */
  readonly selfMute?: boolean | undefined
  /** Whether the bot hears nothing. Default: false. */
  readonly selfDeaf?: boolean | undefined
  /** Time for Discord's answer. Default: 15 seconds. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * A voice connection, for as long as its scope is open.
 *
 * @category models
 * @since 0.1.0
 */
export interface VoiceConnection {
  /** The current server. Waits while Discord moves the connection to another one. Fails as `updates` does. */
  readonly server: Effect.Effect<VoiceServer, GatewayError>
  /**
   * The current server, and every further one: when Discord moves the connection, when the bot is moved to another channel, and
   * after the gateway's session was lost, when the channel is joined again. Fails with `VoiceDisconnected` when the bot is in no
   * channel any more, with `VoiceTimeout` when joining again is not answered, and with what the gateway fails with.
   */
  readonly updates: Stream.Stream<VoiceServer, GatewayError>
  /** Moves to another channel of the guild, mutes or deafens the bot. */
  readonly update: (
    changes: Partial<Pick<JoinVoiceChannel, "channel" | "selfMute" | "selfDeaf">>
  ) => Effect.Effect<void, GatewayError>
  /** The connection for `@discordjs/voice`: `joinVoiceChannel({ guildId, channelId, adapterCreator })`. */
  readonly adapterCreator: VoiceAdapterCreator
}

/**
 * Callbacks that `@discordjs/voice` gives to an adapter: its `DiscordGatewayAdapterLibraryMethods`.
 *
 * @category models
 * @since 0.1.0
 */
export interface VoiceAdapterMethods {
  onVoiceServerUpdate(data: GatewayVoiceServerUpdateDispatchData): void
  onVoiceStateUpdate(data: GatewayVoiceStateUpdateDispatchData): void
  destroy(): void
}

/**
 * An adapter of `@discordjs/voice`: its `DiscordGatewayAdapterCreator`.
 *
 * @category models
 * @since 0.1.0
 */
export type VoiceAdapterCreator = (methods: VoiceAdapterMethods) => {
  sendPayload(payload: unknown): boolean
  destroy(): void
}

/**
 * The `voice` of Lavalink's PATCH /v4/sessions/{sessionId}/players/{guildId}.
 *
 * Lavalink, "Voice State": https://lavalink.dev/api/rest#voice-state
 *
 * @category models
 * @since 0.1.0
 */
export interface LavalinkVoiceState {
  readonly token: string
  readonly endpoint: string
  readonly sessionId: string
  readonly channelId: string
}

/**
 * A server for Lavalink: `{ voice: lavalinkVoiceState(server) }` is the body of the player's update, sent for each of `updates`.
 *
 * @category converting
 * @since 0.1.0
 */
export const lavalinkVoiceState = ({ channelId, endpoint, sessionId, token }: VoiceServer): LavalinkVoiceState => ({
  token,
  endpoint,
  sessionId,
  channelId
})
