// A bot behind a proxy (HTTPS_PROXY): GET /gateway/bot and the WebSocket both go through it, by CONNECT.
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Gateway, GatewayConfig, GatewayLive } from "disruption-gateway"
import { Config, Console, Effect, Layer, Stream } from "effect"
import { Socket } from "effect/socket"
import { HttpsProxyAgent } from "https-proxy-agent"
import { WebSocket } from "ws"

const GatewayBehindProxy = Layer.unwrap(
  Effect.gen(function* () {
    const agent = new HttpsProxyAgent(yield* Config.String("HTTPS_PROXY"))
    const WebSockets = Layer.succeed(Socket.WebSocketConstructor, (url) => new WebSocket(url, { agent }))
    const Http = NodeHttpClient.layerNodeHttpNoAgent.pipe(
      Layer.provide(Layer.succeed(NodeHttpClient.HttpAgent, { http: agent, https: agent }))
    )
    return GatewayLive.pipe(Layer.provide([WebSockets, Http]))
  })
).pipe(Layer.provide(GatewayConfig.layerEnv))

const bot = Effect.gen(function* () {
  const gateway = yield* Gateway
  yield* Stream.runForEach(gateway.on("READY"), ({ d }) => Console.log(`${d.user.username} is ready`))
})

bot.pipe(Effect.provide(GatewayBehindProxy), NodeRuntime.runMain)
