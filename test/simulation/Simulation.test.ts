import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Report from "./Report.ts"
import * as Run from "./Run.ts"
import * as Scenario from "./Scenario.ts"

const batch = 20

/** More of them: `npm run simulate -- --seeds 1..1000`. */
const batches = Array.from({ length: 12 }, (_, index) => index * batch + 1)

describe("against a hostile Discord nothing is lost, nothing comes twice or out of order, and the limits are kept", () => {
  for (const first of batches) {
    it.live(`in the scenarios of seeds ${first} to ${first + batch - 1}`, () =>
      Effect.gen(function* () {
        const seeds = Array.from({ length: batch }, (_, index) => first + index)
        const outcomes = yield* Effect.forEach(seeds, (seed) => Run.seed(seed))
        const report = Report.ofOutcomes(outcomes)
        assert.deepStrictEqual(outcomes.filter(Report.hasFailed).map(Report.describeFailure), [])
        assert.isAbove(report.faults, 20 * batch)
        assert.isAbove(report.delivered, report.dispatched / 4)
      })
    )
  }
})

describe("a seed that once failed holds:", () => {
  it.live("4197, in which a turn to IDENTIFY is refused in the last moment of the window before it", () =>
    Effect.gen(function* () {
      const outcome = yield* Run.seed(4197)
      assert.isFalse(Report.hasFailed(outcome), Report.describeFailure(outcome))
    })
  )
})

describe("a seed", () => {
  it.live("gives the same run every time, to the last byte of its trace", () =>
    Effect.gen(function* () {
      for (const seed of [3, 31, 61, 103, 803]) {
        const first = yield* Run.seed(seed, { trace: true })
        const second = yield* Run.seed(seed, { trace: true })
        assert.isAbove(first.trace.length, 50)
        assert.strictEqual(first.trace.join("\n"), second.trace.join("\n"))
      }
    })
  )

  it.live("gives a scenario of its own", () =>
    Effect.gen(function* () {
      const [one, again, other] = yield* Effect.forEach([1, 1, 2], Scenario.ofSeed)
      assert.deepStrictEqual(one, again)
      assert.notDeepEqual(one?.steps, other?.steps)
    })
  )
})
