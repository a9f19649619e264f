// One process that relays several bots, RELAY_NAMES: alpha and beta unless set. Consumers (relay/bot.ts) say by RELAY_NAME whose they
// are. The variables of a bot begin with its name, ALPHA_DISCORD_TOKEN and so on; Redis is at RELAY_BROKER. /alpha/relay, /beta/livez
// and the like tell of one bot, /alpha/ is its dashboard, and /metrics is of all (PORT, HOST).
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Gateway, GatewayConfig, GatewayOwner, RedisOwner } from "disruption-gateway"
import { GatewayHealth } from "disruption-gateway/dashboard"
import { NodeGateway } from "disruption-gateway/node"
import { GatewayRelay, RedisBroker, RelayDashboard, RelayHealth } from "disruption-gateway/relay"
import { Config, Effect, Layer } from "effect"
import { HttpRouter } from "effect/http"
import { PrometheusMetrics } from "effect/observability"

const RedisLive = Layer.unwrap(
  Effect.map(Config.withDefault(Config.String("RELAY_BROKER"), "redis://127.0.0.1:6379"), (url) =>
    NodeRedis.layer({ url })
  )
)

/** The relay of a bot, and its routes under its name. */
const relayOf = (name: string) => {
  const GatewayOfBot = Gateway.layer.pipe(
    Layer.provide(GatewayOwner.layer({ instance: NodeGateway.instance })),
    Layer.provide(RedisOwner.layerWithSessions(name, RedisLive)),
    Layer.provide(NodeGateway.layerServices),
    Layer.provide(GatewayConfig.layerConfig(Config.nested(GatewayConfig.config, name.toUpperCase())))
  )
  const Relay = GatewayRelay.layer.pipe(
    Layer.provideMerge(GatewayOfBot),
    Layer.provide(RedisBroker.layer({ name })),
    Layer.provide(RedisLive)
  )
  // A bot that cannot go on leaves the others alone; its /livez says why.
  const Told = Layer.effectDiscard(
    GatewayRelay.use(({ end }) =>
      Effect.forkScoped(Effect.catch(end, (error) => Effect.logError(`${name}: ${error.message}`)))
    )
  )
  const Prefixed = Layer.effect(
    HttpRouter.HttpRouter,
    HttpRouter.HttpRouter.use((router) => Effect.succeed(router.prefixed(`/${name}`)))
  )
  const Routes = Layer.mergeAll(
    RelayDashboard.layerWith({ path: "/", title: name }),
    GatewayHealth.layer,
    RelayHealth.layer
  ).pipe(Layer.provide(Prefixed))
  // A layer is built once, wherever it stands. Each bot has its own.
  return Layer.fresh(Layer.merge(Routes, Told).pipe(Layer.provide(Relay)))
}

const Relays = Layer.unwrap(
  Effect.map(Config.withDefault(Config.String("RELAY_NAMES"), "alpha,beta"), (names) =>
    Layer.mergeAll(PrometheusMetrics.layerHttp(), ...names.split(",").map(relayOf))
  )
)

const Live = HttpRouter.serve(Relays, { disableLogger: true }).pipe(
  Layer.provide(
    NodeHttpServer.layerConfig(createServer, {
      port: Config.withDefault(Config.Port("PORT"), 8080),
      host: Config.withDefault(Config.String("HOST"), "127.0.0.1")
    })
  )
)

Layer.launch(Live).pipe(NodeRuntime.runMain)
