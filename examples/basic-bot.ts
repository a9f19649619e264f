// A bot that logs every message. Needs DISCORD_TOKEN, and the intent MESSAGE_CONTENT to see more than who wrote it.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Gateway, GatewayConfig } from "disruption-gateway"
import { NodeGateway } from "disruption-gateway/node"
import { Effect, Layer } from "effect"

const bot = Effect.gen(function* () {
  const gateway = yield* Gateway
  return yield* gateway.handle({
    MESSAGE_CREATE: ({ d }) => Effect.log(`${d.author.username}: ${d.content}`)
  })
})

bot.pipe(Effect.provide(Layer.provide(NodeGateway.layer, GatewayConfig.layerEnv)), NodeRuntime.runMain)
