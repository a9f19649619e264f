// A bot that misses nothing between two runs: its session is in a file (SESSION_FILE), so the next process resumes. It knows who it is and
// its guilds, though Discord then sends neither READY nor GUILD_CREATE.
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Gateway, GatewayConfig, GuildSnapshots } from "disruption-gateway"
import { NodeGateway } from "disruption-gateway/node"
import { Config, Console, Effect, Layer, Option } from "effect"

const bot = Effect.gen(function* () {
  const gateway = yield* Gateway
  const greet = (how: string) =>
    Effect.flatMap(gateway.identity, (identity) => {
      const name = Option.match(identity, { onNone: () => "nobody", onSome: ({ user }) => user.username })
      return Console.log(`${name}: ${how}`)
    })
  return yield* gateway.handle({
    READY: () => greet("a new session"),
    RESUMED: () => greet("the session goes on"),
    GUILD_CREATE: ({ d, replayed }) => Console.log(`${d.name}${replayed === true ? ", as it was" : ""}`),
    MESSAGE_CREATE: ({ d }) => Console.log(`${d.author.username}: ${d.content}`)
  })
})

const Live = Layer.unwrap(
  Effect.map(Config.withDefault(Config.String("SESSION_FILE"), "sessions.json"), (file) =>
    NodeGateway.layerWithSessionFile(file).pipe(Layer.provide(GuildSnapshots.layerFile(`${file}.guilds`)))
  )
).pipe(Layer.provide([NodeFileSystem.layer, GatewayConfig.layerEnv]))

bot.pipe(Effect.provide(Live), NodeRuntime.runMain)
