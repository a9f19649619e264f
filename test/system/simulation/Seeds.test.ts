import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Report from "../../simulation/Report.ts"
import * as Run from "../../simulation/Run.ts"

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
