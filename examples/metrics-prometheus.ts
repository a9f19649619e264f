// A bot whose metrics Prometheus can scrape at http://127.0.0.1:9464/metrics (PORT).
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Gateway, GatewayConfig } from "disruption-gateway"
import { NodeGateway } from "disruption-gateway/node"
import { Config, Effect, Layer, Stream } from "effect"
import { HttpRouter } from "effect/http"
import { PrometheusMetrics } from "effect/observability"

const HttpLive = NodeHttpServer.layerConfig(createServer, {
  port: Config.withDefault(Config.Port("PORT"), 9464),
  host: Config.withDefault(Config.String("HOST"), "127.0.0.1")
})
const MetricsLive = HttpRouter.serve(PrometheusMetrics.layerHttp()).pipe(Layer.provide(HttpLive))

const BotLive = Layer.effectDiscard(
  Effect.gen(function* () {
    const gateway = yield* Gateway
    yield* Effect.forkScoped(Stream.runForEach(gateway.on("MESSAGE_CREATE"), ({ d }) => Effect.logDebug(d.content)))
  })
).pipe(Layer.provide(NodeGateway.layer.pipe(Layer.provide(GatewayConfig.layerEnv))))

Layer.launch(Layer.merge(BotLive, MetricsLive)).pipe(NodeRuntime.runMain)
