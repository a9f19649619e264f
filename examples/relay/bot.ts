// A consumer of a relay: its handler does not know that there is one. RELAY_BROKER is the URL of Redis, RELAY_NAME the bot's name.
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Gateway } from "disruption-gateway"
import { RedisBroker, RelayGateway } from "disruption-gateway/relay"
import { Config, Console, Effect, Layer } from "effect"

const bot = Effect.gen(function* () {
  const gateway = yield* Gateway
  return yield* gateway.handle(
    { MESSAGE_CREATE: ({ d }) => Effect.andThen(Effect.sleep("5 millis"), Console.log(`${d.id} ${d.guild_id}`)) },
    { concurrency: 16, finishWithin: "5 seconds" }
  )
})

// In one process it would be NodeGateway.layer.
const Relayed = Layer.unwrap(
  Effect.gen(function* () {
    const url = yield* Config.String("RELAY_BROKER")
    const name = yield* Config.String("RELAY_NAME")
    return RelayGateway.layer({ consumer: "example", lease: "3 seconds" }).pipe(
      Layer.provide(RedisBroker.layer({ name })),
      Layer.provide(NodeRedis.layer({ url }))
    )
  })
)

bot.pipe(Effect.provide(Relayed), NodeRuntime.runMain)
