import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Persistence from "effect/persistence/Persistence"
import { TestClock } from "effect/testing"
import * as ClusterPlan from "../../src/cluster/ClusterPlan.ts"

const ofTheFuture = { version: 3, layout: ["north", "south"] }

/** The row of the plan, and the plan as a machine sees it. */
const make = Effect.gen(function* () {
  const backing = yield* Persistence.BackingPersistence
  return { row: yield* backing.make("disruption-gateway_fleet"), plans: yield* ClusterPlan.make }
})

const lines: Array<string> = []
const logged = Layer.mergeAll(
  Persistence.layerBackingMemory,
  Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
)

const total = (plan: ClusterPlan.Plan) => [plan.version, plan.total]

describe("the plan of the cluster", () => {
  it.effect("is read as earlier releases have written it, and written back in their version", () =>
    Effect.gen(function* () {
      const { plans, row } = yield* make
      yield* row.set("plan", { version: 1, total: 8 }, undefined)
      const found = yield* plans.orElse(Effect.die("a plan is there"))
      assert.deepStrictEqual(total(found), [1, 8])
      yield* plans.write(new ClusterPlan.Plan({ version: found.version, total: 8, next: 16 }))
      assert.deepStrictEqual(yield* row.get("plan"), { version: 1, total: 8, next: 16 })
    }).pipe(Effect.provide(logged))
  )

  it.effect("may have more in it than this release knows, as long as the version is the same", () =>
    Effect.gen(function* () {
      const { plans, row } = yield* make
      yield* row.set("plan", { version: 2, parts: 8, total: 8, colour: "blue" }, undefined)
      assert.deepStrictEqual(Option.map(yield* plans.read, total), Option.some([2, 8]))
    }).pipe(Effect.provide(logged))
  )

  it.effect("of a later version is refused in words, and left as it is", () =>
    Effect.gen(function* () {
      const { plans, row } = yield* make
      yield* row.set("plan", ofTheFuture, undefined)
      for (const refused of [plans.read, plans.orElse(Effect.die("a plan is there"))]) {
        const { message } = yield* Effect.flip<unknown, { readonly message: string }, never>(refused)
        assert.match(
          message,
          /is of version 3, .* reads version 2 at most.* Run the release that has stored it, .* delete the plan/
        )
      }
      assert.deepStrictEqual(yield* row.get("plan"), ofTheFuture)
    }).pipe(Effect.provide(logged))
  )

  it.effect("of a later version is waited on by a machine that would join, which says so now and then", () =>
    Effect.gen(function* () {
      const { plans, row } = yield* make
      lines.length = 0
      yield* row.set("plan", ofTheFuture, undefined)
      const joining = yield* Effect.forkChild(plans.admission)
      yield* TestClock.adjust("119 seconds")
      assert.strictEqual(lines.length, 2)
      assert.match(lines[0] ?? "", /^This machine takes no part in the cluster yet\. The plan .* is of version 3/)
      assert.isUndefined(joining.pollUnsafe())
      yield* row.set("plan", { version: 2, parts: 8, total: 8 }, undefined)
      yield* TestClock.adjust("5 seconds")
      assert.isDefined(joining.pollUnsafe())
    }).pipe(Effect.provide(logged))
  )
})
