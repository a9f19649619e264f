// Restarts, kills and moves a bot while its guilds change: `npm run guilds:prove -- 200` does it so many times, and a seed after it
// draws other changes. Prints what was found, and what keeping guilds costs. Fails where a guild was not as Discord's.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Logger, References } from "effect"
import { TestClock } from "effect/testing"
import { measure } from "./Cost.ts"
import { run } from "./RestartedBot.ts"

const [restarts = "200", seed = "1"] = process.argv.slice(2)

const restarted = Effect.gen(function* () {
  const found = yield* run({ guilds: 8, restarts: Number(restarts), seed: Number(seed) })
  yield* Console.log(
    `${found.restarts} restarts, ${found.kills} of them kills; ${found.events} events of guilds; ${found.handedOut} guilds handed ` +
      `out as replayed; ${found.identifies} IDENTIFYs. Other than Discord's: ${found.wrong} times in the program, ` +
      `${found.storedWrong} times in the store. ${found.early} events before their guild`
  )
  if (found.wrong + found.storedWrong + found.early > 0)
    return yield* Effect.die(new Error("guilds were not as Discord's"))
}).pipe(Effect.scoped, Effect.provide(TestClock.layer()))

const costs = Effect.forEach([10, 50, 200], (channels) =>
  Effect.flatMap(measure({ guilds: 1000, channels, events: 20_000 }), (cost) =>
    Console.log(
      `a guild with ${channels} channels and roles: GUILD_CREATE ${Math.round(cost.bytesOfCreate)} bytes, stored ` +
        `${Math.round(cost.bytesStored)}; ${cost.perGuildEvent.toFixed(1)} µs an event of a guild's state, written every 100; ` +
        `${cost.perOtherEvent.toFixed(3)} µs any other`
    )
  )
)

NodeRuntime.runMain(
  Effect.andThen(restarted, costs).pipe(
    Effect.provide(Layer.mergeAll(Logger.layer([]))),
    Effect.provideService(References.MinimumLogLevel, "None")
  )
)
