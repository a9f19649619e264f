// A bot whose next version is started before this one has ended (docs/deploys.md): one process at a time has the sessions, which are in
// Redis (REDIS_URL), in PostgreSQL (DATABASE_URL), or else in a file (SESSION_FILE). With HEALTH_PORT it answers a supervisor there.
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Gateway, GatewayConfig, GatewayOwner, RedisOwner, SqlOwner } from "disruption-gateway"
import { GatewayHealth } from "disruption-gateway/dashboard"
import { NodeGateway } from "disruption-gateway/node"
import { Config, Effect, Layer, Option } from "effect"
import { HttpRouter } from "effect/http"

const name = "my-bot"

const GatewayOfOne = Layer.unwrap(
  Effect.gen(function* () {
    const redis = yield* Config.option(Config.String("REDIS_URL"))
    const database = yield* Config.option(Config.Redacted("DATABASE_URL"))
    const file = yield* Config.withDefault(Config.String("SESSION_FILE"), "sessions.json")
    if (Option.isNone(redis) && Option.isNone(database)) return NodeGateway.layerWithSessionFile(file)
    const shared = Option.isSome(redis)
      ? RedisOwner.layerWithSessions(name, NodeRedis.layer({ url: redis.value }))
      : SqlOwner.layerWithSessions(name, PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") }))
    return Gateway.layer.pipe(
      Layer.provide(GatewayOwner.layer({ instance: NodeGateway.instance })),
      Layer.provide(shared),
      Layer.provide(NodeGateway.layerServices)
    )
  })
)

const Health = Layer.unwrap(
  Effect.map(
    Config.option(Config.Int("HEALTH_PORT")),
    Option.match({
      onNone: () => Layer.empty,
      onSome: (port) =>
        HttpRouter.serve(GatewayHealth.layer, { disableLogger: true }).pipe(
          Layer.provide(NodeHttpServer.layer(createServer, { port }))
        )
    })
  )
)

const bot = Effect.gen(function* () {
  const gateway = yield* Gateway
  return yield* gateway.handle({
    MESSAGE_CREATE: ({ d }) => Effect.log(`${d.author.username}: ${d.content}`)
  })
})

bot.pipe(
  Effect.provide(Health.pipe(Layer.provideMerge(GatewayOfOne), Layer.provide(GatewayConfig.layerEnv))),
  NodeRuntime.runMain
)
