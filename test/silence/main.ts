// Looks for quiet bots that are taken for deaf: `npm run silence:prove -- 100000` takes so many shard-hours, of 100 shards at a
// time, and prints what was found. A seed after it gives other rhythms. Fails where there was a false positive, or a second
// probe within ten minutes.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Logger, References } from "effect"
import { TestClock } from "effect/testing"
import { run } from "./QuietHours.ts"

const [shardHours = "100000", seed = "1"] = process.argv.slice(2)
const shards = 100

const program = Effect.gen(function* () {
  const found = yield* run({ shards, hours: Math.ceil(Number(shardHours) / shards), seed: Number(seed) })
  yield* Console.log(
    `${found.shardHours} quiet shard-hours, ${found.events} events, ${found.lostConnections} lost connections: ` +
      `${found.falsePositives} sessions taken for deaf; ` +
      `${found.probes} probes, two of a shard at least ${found.leastGap.toFixed(1)} minutes apart`
  )
  if (found.falsePositives > 0 || found.leastGap < 10) return yield* Effect.die(new Error("quiet bots were disturbed"))
}).pipe(
  Effect.provide(Layer.mergeAll(TestClock.layer(), Logger.layer([]))),
  Effect.provideService(References.MinimumLogLevel, "None")
)

NodeRuntime.runMain(program)
