/**
 * A bot on a served simulator, with its dashboard on a port: the arrangement of the tests of the dashboard.
 */
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as GatewayDashboard from "../../src/dashboard/GatewayDashboard.ts"
import * as NodeGateway from "../../src/node/NodeGateway.ts"
import { GatewayRelay } from "../../src/relay/GatewayRelay.ts"
import * as MemoryBroker from "../../src/relay/MemoryBroker.ts"
import type { BrokerOptions } from "../../src/relay/RelayBroker.ts"
import * as RelayDashboard from "../../src/relay/RelayDashboard.ts"
import { GatewayConfig } from "../../src/services/GatewayConfig.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"

/** A bot of so many shards. */
export const layer = (shards: number, options?: GatewayDashboard.DashboardOptions) => {
  const gateway = Layer.unwrap(
    Effect.map(DiscordSimulator, ({ apiUrl, token }) =>
      NodeGateway.layer.pipe(Layer.provide(GatewayConfig.layer({ apiUrl, token, shards })))
    )
  )
  const dashboard = options === undefined ? GatewayDashboard.layer : GatewayDashboard.layerWith(options)
  return HttpRouter.serve(dashboard, { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0, gracefulShutdownTimeout: 0 })),
    Layer.provideMerge(gateway),
    Layer.provideMerge(DiscordSimulator.serve({ shards, maxConcurrency: shards })),
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None"))
  )
}

/** A relay on a broker in memory, with its dashboard. */
export const relay = (options: BrokerOptions) => {
  const gateway = Layer.unwrap(
    Effect.map(DiscordSimulator, ({ apiUrl, token }) =>
      NodeGateway.layer.pipe(Layer.provide(GatewayConfig.layer({ apiUrl, token, buffer: 10 })))
    )
  )
  return HttpRouter.serve(RelayDashboard.layer, { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0, gracefulShutdownTimeout: 0 })),
    Layer.provide(GatewayRelay.layer),
    Layer.provideMerge(gateway),
    Layer.provideMerge(MemoryBroker.layer(options)),
    Layer.provideMerge(DiscordSimulator.serve()),
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None"))
  )
}

/** Where its page is served, without a path. */
export const origin = Effect.map(HttpServer.HttpServer, ({ address }) =>
  address._tag === "UnixPathAddress" ? "" : `http://127.0.0.1:${address.port}`
)
