import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import * as Act from "../../src/simulator/Act.ts"
import * as Fault from "../../src/simulator/Fault.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

describe("a payload that is malformed in every replay", () => {
  it.effect("is left out after three times, which is told, and what comes after it is delivered", () =>
    Effect.gen(function* () {
      const { listener, simulator, watcher } = yield* SimulatedBot.ready
      yield* simulator.faults.inject(
        Fault.resume(Act.sendRaw('{"op":0,"t":"MESSAGE_CREATE","s":"2","d":{}}'), { when: "before" })
      )
      yield* simulator.drop()
      yield* TestClock.adjust("50 millis")
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "behind it" })
      yield* TestClock.adjust("5 minutes")

      assert.strictEqual(watcher.tags().filter((tag) => tag === "MalformedSkipped").length, 1)
      const reasons = watcher.events.flatMap((event) => (event._tag === "Disconnected" ? [event.reason._tag] : []))
      assert.deepStrictEqual(reasons, ["ConnectionClosed", "MalformedPayload", "MalformedPayload", "MalformedPayload"])
      assert.notInclude(watcher.tags(), "SessionDropped")
      assert.strictEqual(watcher.tags().at(-1), "Resumed")
      const messages = listener.payloads.filter(({ t }) => t === "MESSAGE_CREATE")
      assert.deepStrictEqual(
        messages.map(({ d }) => d),
        [{ content: "behind it" }]
      )
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )
})
