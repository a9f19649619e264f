// A bot with a web server of its own (PORT, HOST), in which the dashboard and the probes of a supervisor are mounted beside its pages.
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Gateway, GatewayConfig } from "disruption-gateway"
import { GatewayDashboard, GatewayHealth } from "disruption-gateway/dashboard"
import { NodeGateway } from "disruption-gateway/node"
import { Config, Effect, Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"

const Pages = Layer.mergeAll(
  HttpRouter.add("GET", "/", HttpServerResponse.html('<a href="/status/">How the bot is doing</a>')),
  GatewayDashboard.layerWith({ path: "/status", title: "My bot" }),
  GatewayHealth.layer
)
const Web = HttpRouter.serve(Pages, { disableLogger: true }).pipe(
  Layer.provide(
    NodeHttpServer.layerConfig(createServer, {
      port: Config.withDefault(Config.Port("PORT"), 8080),
      host: Config.withDefault(Config.String("HOST"), "127.0.0.1")
    })
  )
)

const bot = Effect.gen(function* () {
  const gateway = yield* Gateway
  return yield* gateway.handle({ MESSAGE_CREATE: ({ d }) => Effect.logDebug(d.content) })
})

const Live = Web.pipe(Layer.provideMerge(NodeGateway.layer), Layer.provide(GatewayConfig.layerEnv))

bot.pipe(Effect.provide(Live), NodeRuntime.runMain)
