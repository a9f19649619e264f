import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { scaled } from "../../support/Scale.ts"
import * as ClusterReport from "./ClusterReport.ts"
import * as ClusterRun from "./ClusterRun.ts"

describe("in a cluster of simulated machines nothing is lost, no shard is in two hands, and the limits are kept", () => {
  it.live("over kills, pauses, cuts, clocks that are off and power cuts", () =>
    Effect.gen(function* () {
      const seeds = Array.from({ length: scaled(60) }, (_, index) => index + 1)
      const outcomes = yield* Effect.forEach(seeds, (seed) => ClusterRun.seed(seed))
      assert.deepStrictEqual(outcomes.filter(ClusterReport.hasFailed).map(ClusterReport.describeFailure), [])
      assert.isAbove(ClusterReport.ofOutcomes(outcomes).dispatched, 20 * seeds.length)
    })
  )
})

describe("a seed of the cluster", () => {
  it.live("gives the same run every time", () =>
    Effect.gen(function* () {
      const first = yield* ClusterRun.seed(3, { trace: true })
      const second = yield* ClusterRun.seed(3, { trace: true })
      assert.isAbove(first.trace.length, 5)
      assert.deepStrictEqual(first, second)
    })
  )
})
