// A bot that is configured by variables with names of its own (BOT_TOKEN, BOT_SHARDS, BOT_API_URL), some of which have defaults.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Gateway, GatewayConfig } from "disruption-gateway"
import { NodeGateway } from "disruption-gateway/node"
import { Config, Console, Effect, Layer } from "effect"

const Configured = GatewayConfig.layerConfig({
  token: Config.Redacted("BOT_TOKEN"),
  shards: Config.withDefault(Config.Int("BOT_SHARDS"), 1),
  intents: Config.succeed(["GUILDS", "GUILD_MESSAGES"]),
  apiUrl: Config.withDefault(Config.String("BOT_API_URL"), "https://discord.com/api/v10")
})

const bot = Effect.gen(function* () {
  const gateway = yield* Gateway
  const greeting = yield* Config.withDefault(Config.String("BOT_GREETING"), "Hello")
  return yield* gateway.handle({
    READY: ({ d, shard }) => Console.log(`${greeting}, I am ${d.user.username}, shard ${shard}`)
  })
})

bot.pipe(Effect.provide(Layer.provide(NodeGateway.layer, Configured)), NodeRuntime.runMain)
