import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Report from "./Report.ts"
import * as Run from "./Run.ts"
import * as Seeds from "./Seeds.ts"

describe("--seeds", () => {
  it("takes a seed, a range, and several of both", () => {
    assert.deepStrictEqual(Seeds.parse("7"), Result.succeed([7]))
    assert.deepStrictEqual(Seeds.parse("1..3,7"), Result.succeed([1, 2, 3, 7]))
  })

  it("refuses everything else", () => {
    for (const text of ["", "x", "3..1", "1..", "-1", "1.5", "1...3", "1..99999999999"]) {
      assert.isTrue(Result.isFailure(Seeds.parse(text)), text)
    }
  })
})

describe("the report", () => {
  it("names the seeds that failed, and how to see them again", () => {
    const failed = Run.died(7, "a fiber waits for ever")
    const passed = {
      ...failed,
      seed: 8,
      isStuck: false,
      failures: [],
      faults: { Drop: 20, Crash: 10 },
      virtualMillis: 3_600_000
    }
    assert.deepInclude(Report.ofOutcomes([passed, failed]), {
      seeds: 2,
      faults: 30,
      met: { Drop: 20, Crash: 10 },
      stuck: 1,
      virtualHours: 1,
      failedSeeds: [7]
    })
    assert.include(Report.describeFailure(failed), "--seeds 7 --trace")
  })
})
