import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { TestClock } from "effect/testing"
import * as Act from "../../src/simulator/Act.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as Fault from "../../src/simulator/Fault.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

/** When IDENTIFYs arrived, in milliseconds. */
const identifies = Effect.gen(function* () {
  const simulator = yield* DiscordSimulator
  const connections = yield* simulator.connections
  return connections.flatMap(({ frames }) => frames.filter(({ op }) => op === 2).map(({ at }) => at))
})

describe("the limit of IDENTIFYs", () => {
  it.effect("is kept at one per 5 s while op 9 comes for ever", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.identify(Act.invalidSession(false)))
      yield* SimulatedBot.ready
      yield* TestClock.adjust("30 minutes")
      const times = yield* identifies
      const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0))
      assert.isAbove(gaps.length, 20)
      assert.isAtLeast(Math.min(...gaps), 5100)
      assert.strictEqual((yield* simulator.counts).identifyViolations, 0)
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("is kept where READY comes and the session is taken away at once, and the wait is visible", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.identify(Act.close(4009), { when: "after" }))
      const { gateway, watcher } = yield* SimulatedBot.ready
      assert.strictEqual((yield* gateway.shards)[0]?.state, "queued")
      assert.include(watcher.tags(), "IdentifyQueued")
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual((yield* simulator.counts).identifyViolations, 0)
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )
})

describe("the day's budget of IDENTIFYs", () => {
  const simulator = { sessionStartLimit: { total: 1000, remaining: 0, resetAfter: "2 hours" } } as const

  it.effect("is never overrun: the shard waits for new ones, and says so", () =>
    Effect.gen(function* () {
      const { gateway, simulator, watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("119 minutes")
      assert.deepStrictEqual(yield* identifies, [])
      assert.strictEqual((yield* gateway.shards)[0]?.state, "queued")
      const exhausted = watcher.events.find(({ _tag }) => _tag === "IdentifyBudgetExhausted")
      // The answer travelled 10 ms.
      assert.deepInclude(exhausted, { total: 1000, resetAt: DateTime.makeUnsafe(2 * 60 * 60 * 1000 + 10) })
      assert.notInclude(watcher.tags(), "Disconnected")
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(watcher.tags().at(-1), "Ready")
      assert.strictEqual((yield* simulator.counts).overruns, 0)
    }).pipe(Effect.provide(SimulatedBot.layer({ simulator })))
  )

  it.effect("fails the stream where the configuration asks for it", () =>
    Effect.gen(function* () {
      const { listener, simulator } = yield* SimulatedBot.ready
      const exit = yield* listener.exit
      const error = Option.getOrThrow(Exit.isFailure(exit) ? Cause.findErrorOption(exit.cause) : Option.none())
      assert.deepInclude(error.reason, { _tag: "IdentifyBudgetExhausted", total: 1000 })
      assert.include(error.message, "1970-01-01T02:00:00")
      assert.strictEqual((yield* simulator.counts).identifies, 0)
    }).pipe(Effect.provide(SimulatedBot.layer({ simulator, config: { whenBudgetExhausted: "fail" } })))
  )

  it.effect("is counted down between two answers of GET /gateway/bot", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.identify(Act.invalidSession(false)))
      yield* SimulatedBot.ready
      yield* TestClock.adjust("30 minutes")
      assert.strictEqual((yield* identifies).length, 3)
      assert.strictEqual((yield* simulator.counts).overruns, 0)
    }).pipe(
      Effect.provide(
        SimulatedBot.layer({ simulator: { sessionStartLimit: { total: 3, remaining: 3, resetAfter: "1 hour" } } })
      )
    )
  )
})
