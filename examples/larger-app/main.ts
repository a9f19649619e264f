// A bot of several parts, each a service or a set of handlers in a file of its own. Bot.test.ts runs it without Discord.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { GatewayConfig } from "disruption-gateway"
import { NodeGateway } from "disruption-gateway/node"
import { Effect, Layer } from "effect"
import { bot } from "./Bot.js"
import { GuildNames } from "./GuildNames.js"
import { Journal } from "./Journal.js"

const Live = Layer.mergeAll(NodeGateway.layer, GuildNames.layer, Journal.layerConsole).pipe(
  Layer.provide(GatewayConfig.layerEnv)
)

bot.pipe(Effect.provide(Live), NodeRuntime.runMain)
