// A bot that counts the members of each guild. The intent GUILD_MEMBERS has to be turned on in the Developer Portal.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Gateway, GatewayConfig } from "disruption-gateway"
import { NodeGateway } from "disruption-gateway/node"
import { Console, Effect, Layer, Stream } from "effect"

const bot = Effect.gen(function* () {
  const gateway = yield* Gateway
  // All members, in chunks of up to a thousand; Discord takes one request in 30 seconds and guild, which is kept.
  const countMembers = (guild_id: string) =>
    gateway.requestGuildMembers({ guild_id, query: "", limit: 0 }).pipe(
      Stream.runFold(
        () => ({ bots: 0, people: 0 }),
        ({ bots, people }, { members }) => {
          const more = members.filter(({ user }) => user.bot === true).length
          return { bots: bots + more, people: people + members.length - more }
        }
      )
    )
  return yield* gateway.handle(
    {
      GUILD_CREATE: ({ d }) =>
        Effect.flatMap(countMembers(d.id), ({ bots, people }) =>
          Console.log(`${d.name}: ${people} people and ${bots} bots`)
        )
    },
    { concurrency: 8 }
  )
})

const Live = Layer.provide(NodeGateway.layer, GatewayConfig.layerEnvWith({ intents: ["GUILDS", "GUILD_MEMBERS"] }))

bot.pipe(Effect.provide(Live), NodeRuntime.runMain)
