import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { TestClock } from "effect/testing"
import { Signal } from "../../src/services/Signal.ts"

/** Whether it waits for longer than a second. */
const waits = (signal: Signal) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.timeoutOption(signal.wait, "1 second"))
    yield* TestClock.adjust("1 second")
    return Option.isNone(yield* Fiber.join(fiber))
  })

describe("a signal", () => {
  it.effect("wakes who waits", () =>
    Effect.gen(function* () {
      const signal = new Signal()
      signal.reset()
      const fiber = yield* Effect.forkChild(signal.wait)
      yield* Effect.yieldNow
      signal.notify()
      yield* Fiber.join(fiber)
    })
  )

  it.effect("is not missed between looking and waiting", () =>
    Effect.gen(function* () {
      const signal = new Signal()
      signal.reset()
      signal.notify()
      assert.isFalse(yield* waits(signal))
    })
  )

  it.effect("given before one listens is no reason to wake", () =>
    Effect.gen(function* () {
      const signal = new Signal()
      signal.notify()
      signal.reset()
      assert.isTrue(yield* waits(signal))
    })
  )

  it.effect("is not given to one who has left", () =>
    Effect.gen(function* () {
      const signal = new Signal()
      signal.reset()
      assert.isTrue(yield* waits(signal))
      signal.notify()
      assert.isFalse(yield* waits(signal))
    })
  )
})
