// One of several processes of a bot: it runs its part of the shards (DISCORD_SHARDS, such as 0,1/4 here and 2,3/4 there),
// and keeps the limits of IDENTIFYs, and the sessions, together with the others in Redis (REDIS_URL).
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Gateway, GatewayConfig, IdentifyLimiter, SessionStore } from "disruption-gateway"
import { NodeGateway } from "disruption-gateway/node"
import { Config, Console, Effect, Layer, Stream } from "effect"
import { Persistence } from "effect/persistence"

const RedisLive = Layer.unwrap(
  Effect.map(Config.withDefault(Config.String("REDIS_URL"), "redis://127.0.0.1:6379"), (url) =>
    NodeRedis.layer({ url })
  )
)
const Sessions = SessionStore.layerPersisted.pipe(Layer.provide(Persistence.layerBackingRedis))

const GatewayOfManyProcesses = Gateway.layer.pipe(
  Layer.provide([Sessions, IdentifyLimiter.layerShared]),
  Layer.provide([NodeGateway.layerServices, RedisLive]),
  Layer.provide(GatewayConfig.layerEnv)
)

const bot = Effect.gen(function* () {
  const gateway = yield* Gateway
  yield* gateway.payloads.pipe(
    Stream.filter(({ t }) => t === "READY" || t === "RESUMED"),
    Stream.runForEach(({ shard, t }) => Console.log(`shard ${shard}: ${t}`))
  )
})

bot.pipe(Effect.provide(GatewayOfManyProcesses), NodeRuntime.runMain)
