import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { own } from "../../incidents/Client.ts"
import { incidents } from "../../incidents/Incidents.ts"
import { run } from "../../incidents/Run.ts"

describe("the incidents of other gateway clients", () => {
  it.live("all end well with this library", () =>
    Effect.gen(function* () {
      // Each is a process that mostly waits. Its limits are shorter than the defaults, which the matrix is measured with.
      const outcomes = yield* Effect.forEach(
        incidents,
        (incident) =>
          Effect.map(run(own, incident, { INCIDENT_HURRIED: "true" }), (outcome) => ({ incident, outcome })),
        { concurrency: 24 }
      )
      const others = outcomes.flatMap(({ incident, outcome }) =>
        outcome._tag === "Held"
          ? []
          : [`${incident.id}: ${outcome._tag === "Failed" ? outcome.reason : "not put to it"}`]
      )
      assert.deepStrictEqual(others, [])
    })
  )
})
