// Lets a bot grow with no hand on it: `npm run growth:prove -- 1000 10000` from so many guilds to so many, 600 an hour. Prints what
// it cost, and fails where a message was lost or doubled, or an IDENTIFY came too early.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Logger, References } from "effect"
import { TestClock } from "effect/testing"
import { run } from "./GrowingBot.ts"

const [from = "1000", to = "10000"] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const grown = yield* run({ from: Number(from), to: Number(to), perTenMinutes: 100, guildsPerShard: 1000 })
  const { doubled, identifies, leastGap, lost, messages, outOfOrder, refused, reshards, shards } = grown
  yield* Console.log(
    `${from} to ${grown.guilds} guilds: 1 shard, then ${reshards.join(", ")}; ${shards.length} at the end. ` +
      `${messages} messages: ${lost} lost, ${doubled} doubled, ${outOfOrder} out of order. ` +
      `${identifies} IDENTIFYs, ${leastGap.toFixed(1)} s apart at least, ${refused} refused`
  )
  if (lost + doubled + outOfOrder + refused > 0) return yield* Effect.die(new Error("growing went wrong"))
}).pipe(
  Effect.scoped,
  Effect.provide(Layer.mergeAll(TestClock.layer(), Logger.layer([]))),
  Effect.provideService(References.MinimumLogLevel, "None")
)

NodeRuntime.runMain(program)
