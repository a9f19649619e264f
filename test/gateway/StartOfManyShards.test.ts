import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import { TestClock } from "effect/testing"
import { Gateway } from "../../src/gateway/Gateway.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import { scaled } from "../support/Scale.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

const total = scaled(10_000)

const quietly = Effect.provideService(References.MinimumLogLevel, "None")

describe(`${total} shards with max_concurrency 16`, () => {
  it.effect("are ready when they have had their turns to IDENTIFY, one in 5 s and bucket, and no sooner", () =>
    Effect.gen(function* () {
      const gateway = yield* Gateway
      yield* SimulatedBot.listen
      const simulator = yield* DiscordSimulator
      // The start of so many fibers takes real time, for which the test clock does not wait.
      yield* TestClock.adjust("1 second")
      while ((yield* gateway.shards).length < total) yield* Effect.yieldNow
      for (let turn = 0; turn < 100; turn++) yield* Effect.yieldNow
      yield* TestClock.adjust("1 second")
      const waits = Math.ceil(total / 16) - 1
      yield* TestClock.adjust(`${waits * 5.1 + 1} seconds`)
      const shards = yield* gateway.shards
      assert.strictEqual(shards.length, total)
      assert.strictEqual(shards.filter(({ state }) => state === "ready").length, total)
      const { identifies: count, identifyViolations, overruns } = yield* simulator.counts
      assert.deepStrictEqual(
        { count, identifyViolations, overruns },
        { count: total, identifyViolations: 0, overruns: 0 }
      )
      const times = yield* SimulatedBot.identifies
      const [first, last] = [times[0]?.at ?? 0, times.at(-1)?.at ?? 0]
      assert.strictEqual(last - first, waits * 5100)
    }).pipe(
      Effect.provide(
        SimulatedBot.layer({
          config: { shards: total },
          simulator: {
            shards: total,
            maxConcurrency: 16,
            sessionStartLimit: { total: 2 * total },
            heartbeatInterval: "10 minutes"
          }
        })
      ),
      quietly
    )
  )
})
