// A bot that joins a voice channel (GUILD, CHANNEL) until it is stopped, and says what a voice library takes to connect.
// docs/voice.md has @discordjs/voice and Lavalink.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Gateway, GatewayConfig } from "disruption-gateway"
import { NodeGateway } from "disruption-gateway/node"
import { Config, Console, Effect, Layer, Stream } from "effect"

const bot = Effect.gen(function* () {
  const gateway = yield* Gateway
  const guild = yield* Config.String("GUILD")
  const channel = yield* Config.String("CHANNEL")
  // The scope of the connection: when it closes, the bot leaves the channel.
  const { updates } = yield* gateway.joinVoiceChannel({ guild, channel, selfDeaf: true })
  yield* Stream.runForEach(updates, ({ channelId, endpoint, sessionId }) =>
    Console.log(`in ${channelId}: session ${sessionId} at ${endpoint}`)
  )
}).pipe(Effect.scoped)

bot.pipe(Effect.provide(Layer.provide(NodeGateway.layer, GatewayConfig.layerEnv)), NodeRuntime.runMain)
