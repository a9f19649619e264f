import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ClusterRun from "../../simulation/cluster/ClusterRun.ts"
import { type Defect, defects, isDefect } from "../../simulation/cluster/Defect.ts"

/** Seeds that find them: npm run simulate -- --cluster --seeds 1..100 --defect lease-ignored */
const found: Record<Defect, number> = {
  "lease-ignored": 7,
  unfenced: 11,
  "foreign-clock": 66,
  "late-hand-over": 13,
  "limit-per-machine": 3,
  "renewed-while-hung": 1
}

describe("the simulation of the cluster notices that", () => {
  for (const defect of Object.keys(defects).filter(isDefect)) {
    it.live(defects[defect], () =>
      Effect.gen(function* () {
        assert.isNotEmpty((yield* ClusterRun.seed(found[defect], { defect })).failures)
        assert.isEmpty((yield* ClusterRun.seed(found[defect])).failures)
      })
    )
  }
})
