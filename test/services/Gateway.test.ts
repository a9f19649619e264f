import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import * as SimulatedBot from "./SimulatedBot.ts"

describe("a bot that connects", () => {
  it.effect("identifies and hands over HELLO, READY and what is dispatched", () =>
    Effect.gen(function* () {
      const { listener, simulator, watcher } = yield* SimulatedBot.ready
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "hello" })
      yield* TestClock.adjust("1 second")
      console.log(listener.payloads, watcher.events, yield* simulator.connections, yield* simulator.counts)
      assert.deepStrictEqual(
        listener.payloads.map(({ op, s, t }) => [op, t, s]),
        [
          [10, null, null],
          [0, "READY", 1],
          [0, "MESSAGE_CREATE", 2]
        ]
      )
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )
})
