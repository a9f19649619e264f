import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Report from "./Report.ts"
import * as Run from "./Run.ts"
import * as Scenario from "./Scenario.ts"

describe("against a hostile Discord nothing is lost, nothing comes twice or out of order, and the limits are kept", () => {
  it.live("in the scenarios of seeds 1 to 16", () =>
    Effect.gen(function* () {
      const seeds = Array.from({ length: 16 }, (_, index) => index + 1)
      const outcomes = yield* Effect.forEach(seeds, (seed) => Run.seed(seed))
      assert.deepStrictEqual(outcomes.filter(Report.hasFailed).map(Report.describeFailure), [])
      assert.isAbove(Report.ofOutcomes(outcomes).faults, 20 * seeds.length)
    })
  )
})

describe("a seed", () => {
  it.live("gives the same run every time, to the last byte of its trace", () =>
    Effect.gen(function* () {
      for (const seed of [3, 61]) {
        const first = yield* Run.seed(seed, { trace: true })
        const second = yield* Run.seed(seed, { trace: true })
        assert.isAbove(first.trace.length, 50)
        assert.strictEqual(first.trace.join("\n"), second.trace.join("\n"))
      }
    })
  )

  it.live("gives a scenario of its own", () =>
    Effect.gen(function* () {
      const [one, again, other] = yield* Effect.forEach([1, 1, 2], (seed) => Scenario.ofSeed(seed))
      assert.deepStrictEqual(one, again)
      assert.notDeepEqual(one?.steps, other?.steps)
    })
  )
})
