import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { TestClock } from "effect/testing"
import * as Act from "../../src/simulator/Act.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as Fault from "../../src/simulator/Fault.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

const seconds = (waits: ReadonlyArray<number>) => waits.map((wait) => wait / 1000)

/** The times between dials, in seconds, to the tenth. */
const spacings = Effect.gen(function* () {
  const simulator = yield* DiscordSimulator
  const dials = yield* simulator.dials
  return dials.slice(1).map(({ at }, index) => Math.round((at - (dials[index]?.at ?? 0)) / 100) / 10)
})

describe("backoff", () => {
  it.effect("waits 1, 2, 4, 8, 16, 32, 60, 60 s at first start, and 1 s again after success", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.dial("refuse", { times: 8 }))
      const { watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("184 seconds")
      assert.strictEqual(watcher.tags().at(-1), "Ready")
      assert.deepStrictEqual(seconds(watcher.waits()), [1, 2, 4, 8, 16, 32, 60, 60])
      assert.deepStrictEqual(yield* spacings, [1, 2, 4, 8, 16, 32, 60, 60])

      // A healthy hour, then a drop: at once, and if that fails, from the beginning.
      yield* TestClock.adjust("1 hour")
      yield* simulator.faults.inject(Fault.dial("refuse", { times: 3 }))
      yield* simulator.drop()
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(watcher.tags().at(-1), "Resumed")
      assert.deepStrictEqual(seconds(watcher.waits().slice(8)), [1, 2, 4])
      assert.deepStrictEqual((yield* spacings).slice(9), [1, 2, 4])
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("goes on where attempts open a WebSocket, but reach neither READY nor RESUMED", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("1 minute")
      yield* simulator.faults.inject(Fault.resume(Act.drop, { times: 5 }))
      yield* simulator.drop()
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(seconds(watcher.waits()), [1, 2, 4, 8, 16])
      assert.strictEqual(watcher.tags().at(-1), "Resumed")
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("does not spin where Discord accepts and closes", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.hello(Act.close(4000)))
      const { watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(seconds(watcher.waits()).slice(0, 8), [1, 2, 4, 8, 16, 32, 60, 60])
      assert.strictEqual((yield* simulator.counts).identifies, 0)
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("does not spin where sessions are established and fall at once", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* SimulatedBot.ready
      yield* simulator.faults.inject(Fault.resume(Act.close(4000), { when: "after" }))
      yield* simulator.drop()
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(seconds(watcher.waits()).slice(0, 8), [1, 2, 4, 8, 16, 32, 60, 60])
      assert.isAtMost((yield* simulator.counts).resumes, 16)
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("waits 1 to 5 s after op 9, not the step that an outage before it had reached", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("1 minute")
      const network = Fault.dial("refuse")
      yield* simulator.faults.inject(network)
      yield* simulator.drop()
      yield* TestClock.adjust("63 seconds")
      assert.deepStrictEqual(seconds(watcher.waits()), [1, 2, 4, 8, 16, 32])
      yield* simulator.endSessions()
      yield* simulator.faults.lift(network)
      yield* TestClock.adjust("10 seconds")
      const wait = seconds(watcher.waits()).at(-1) ?? 0
      assert.isTrue(wait >= 1 && wait <= 5, `${wait} s`)
      assert.strictEqual(watcher.tags().at(-1), "Ready")
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("waits ever longer where each IDENTIFY is answered by op 9", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.identify(Act.invalidSession(false)))
      const { watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(seconds(watcher.waits()).slice(4, 9), [8, 16, 32, 60, 60])
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("follows the schedule that it is given, whose end is fatal", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.dial("refuse"))
      const { listener, watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(seconds(watcher.waits()), [5, 5])
      const exit = yield* listener.exit
      const error = Option.getOrThrow(Exit.isFailure(exit) ? Cause.findErrorOption(exit.cause) : Option.none())
      assert.strictEqual(error.reason._tag, "ReconnectScheduleEnded")
      assert.include(error.message, "No connection to gateway.discord.gg")
      assert.strictEqual((yield* simulator.counts).dials, 3)
    }).pipe(
      Effect.provide(
        SimulatedBot.layer({ config: { reconnect: Schedule.spaced("5 seconds").pipe(Schedule.upTo({ times: 2 })) } })
      )
    )
  )
})
