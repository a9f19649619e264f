// A bot that handles three events, sixteen at once: those of a guild still one after the other, in order. An event counts as handled when
// its handler has succeeded, which a forked fiber or a stream that reads ahead would not keep.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Gateway, GatewayConfig } from "disruption-gateway"
import { NodeGateway } from "disruption-gateway/node"
import { Console, Effect, Layer, Schedule } from "effect"

const bot = Effect.gen(function* () {
  const gateway = yield* Gateway
  return yield* gateway.handle(
    {
      GUILD_CREATE: ({ d }) => Console.log(`in ${d.name}`),
      MESSAGE_CREATE: ({ d }) => Effect.delay(Console.log(`${d.author.username} wrote`), "1 second"),
      TYPING_START: ({ d }) => Console.log(`${d.user_id} is typing`)
    },
    {
      concurrency: 16,
      onFailure: {
        retry: Schedule.max([Schedule.exponential("100 millis"), Schedule.recurs(3)]),
        deadLetter: ({ cause, payload }) => Effect.logError(`${payload.t} is set aside`, cause)
      },
      // At SIGTERM what is in hand may finish.
      finishWithin: "10 seconds"
    }
  )
})

bot.pipe(Effect.provide(Layer.provide(NodeGateway.layer, GatewayConfig.layerEnv)), NodeRuntime.runMain)
