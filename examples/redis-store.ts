// A bot whose sessions are in Redis (REDIS_URL), for machines that come and go: wherever it is started next, it resumes. Several bots may
// share the store. Two instances of one bot are examples/rolling-deploy.ts.
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Gateway, GatewayConfig, SessionStore } from "disruption-gateway"
import { NodeGateway } from "disruption-gateway/node"
import { Config, Console, Effect, Layer } from "effect"
import { Persistence } from "effect/persistence"

const Redis = Layer.unwrap(
  Effect.map(Config.withDefault(Config.String("REDIS_URL"), "redis://127.0.0.1:6379"), (url) =>
    NodeRedis.layer({ url })
  )
)
// It connects at the first call, and again after a failure: a Redis that is away at the start does not end the bot.
const Sessions = SessionStore.layerPersistedFrom(Persistence.layerBackingRedis.pipe(Layer.provide(Redis)))

const bot = Effect.gen(function* () {
  const gateway = yield* Gateway
  return yield* gateway.handle({
    READY: () => Console.log("a new session"),
    RESUMED: () => Console.log("the session goes on"),
    MESSAGE_CREATE: ({ d }) => Console.log(`${d.author.username} wrote`)
  })
})

const Live = Gateway.layer.pipe(
  Layer.provide(Sessions),
  Layer.provide(NodeGateway.layerServices),
  Layer.provide(GatewayConfig.layerEnv)
)

bot.pipe(Effect.provide(Live), NodeRuntime.runMain)
