import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { own } from "../../incidents/Client.ts"
import type { Incident } from "../../incidents/Incident.ts"
import { incidents } from "../../incidents/Incidents.ts"
import { type Outcome, run } from "../../incidents/Run.ts"

/** Its time limits are shorter than the defaults, with which the matrix is measured. */
const put = (incident: Incident) => run(own, incident, { INCIDENT_HURRIED: "true" })

const told = (incident: Incident, outcome: Outcome): ReadonlyArray<string> =>
  outcome._tag === "Held" ? [] : [`${incident.id}: ${outcome._tag === "Failed" ? outcome.reason : "not put to it"}`]

describe("the incidents of other gateway clients", () => {
  it.live("all end well with this library", () =>
    Effect.gen(function* () {
      // Each is a process that mostly waits. What fails beside the others, on a machine that is busy, is tried by itself: a defect
      // fails again.
      const first = yield* Effect.forEach(
        incidents,
        (incident) => Effect.map(put(incident), (outcome) => (outcome._tag === "Failed" ? [incident] : [])),
        { concurrency: 32 }
      )
      const again = yield* Effect.forEach(first.flat(), (incident) =>
        Effect.map(put(incident), (outcome) => told(incident, outcome))
      )
      assert.deepStrictEqual(again.flat(), [])
    })
  )

  it("can all be put to it", () => {
    assert.deepStrictEqual(
      incidents.filter(({ needs = [] }) => !needs.every((need) => own.has.includes(need))),
      []
    )
  })
})
