// A bot whose metrics Prometheus can scrape at http://127.0.0.1:9464/metrics (PORT).
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Gateway, GatewayConfig } from "disruption-gateway"
import { NodeGateway } from "disruption-gateway/node"
import { Config, Effect, Layer } from "effect"
import { HttpRouter } from "effect/http"
import { PrometheusMetrics } from "effect/observability"

const HttpLive = NodeHttpServer.layerConfig(createServer, {
  port: Config.withDefault(Config.Port("PORT"), 9464),
  host: Config.withDefault(Config.String("HOST"), "127.0.0.1")
})
const MetricsLive = HttpRouter.serve(PrometheusMetrics.layerHttp()).pipe(Layer.provide(HttpLive))

const bot = Effect.gen(function* () {
  const gateway = yield* Gateway
  return yield* gateway.handle({ MESSAGE_CREATE: ({ d }) => Effect.logDebug(d.content) })
})

const Live = MetricsLive.pipe(Layer.provideMerge(NodeGateway.layer), Layer.provide(GatewayConfig.layerEnv))

bot.pipe(Effect.provide(Live), NodeRuntime.runMain)
