// A bot that sends its metrics, traces and logs to an OpenTelemetry collector (OTEL_EXPORTER_OTLP_ENDPOINT), with a trace
// for the handling of each message.
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Gateway, GatewayConfig, withDispatchSpan } from "disruption-gateway"
import { NodeGateway } from "disruption-gateway/node"
import { Config, Effect, Layer, Stream } from "effect"
import { Otlp } from "effect/observability"

const TelemetryLive = Layer.unwrap(
  Effect.map(Config.withDefault(Config.String("OTEL_EXPORTER_OTLP_ENDPOINT"), "http://127.0.0.1:4318"), (baseUrl) =>
    Otlp.layerJson({ baseUrl, resource: { serviceName: "my-bot" } })
  )
).pipe(Layer.provide(NodeHttpClient.layerNodeHttp))

const bot = Effect.gen(function* () {
  const gateway = yield* Gateway
  yield* Stream.runForEach(gateway.on("MESSAGE_CREATE"), (message) =>
    Effect.log(`A message of ${message.d.content.length} characters`).pipe(withDispatchSpan(message))
  )
})

const BotLive = NodeGateway.layer.pipe(
  Layer.provide(GatewayConfig.layerEnv),
  // Around the gateway, whose connections are traced, too.
  Layer.provideMerge(TelemetryLive)
)

bot.pipe(Effect.provide(BotLive), NodeRuntime.runMain)
