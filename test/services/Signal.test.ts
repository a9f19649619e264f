import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { TestClock } from "effect/testing"
import { Signal } from "../../src/services/Signal.ts"

/** Whether it waits for longer than a second. */
const waits = (bell: Signal) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.timeoutOption(bell.wait, "1 second"))
    yield* TestClock.adjust("1 second")
    return Option.isNone(yield* Fiber.join(fiber))
  })

describe("a doorbell", () => {
  it.effect("wakes who waits", () =>
    Effect.gen(function* () {
      const bell = new Signal()
      bell.reset()
      const fiber = yield* Effect.forkChild(bell.wait)
      yield* Effect.yieldNow
      bell.notify()
      yield* Fiber.join(fiber)
    })
  )

  it.effect("is not missed between looking and waiting", () =>
    Effect.gen(function* () {
      const bell = new Signal()
      bell.reset()
      bell.notify()
      assert.isFalse(yield* waits(bell))
    })
  )

  it.effect("that rang before one listened is no reason to wake", () =>
    Effect.gen(function* () {
      const bell = new Signal()
      bell.notify()
      bell.reset()
      assert.isTrue(yield* waits(bell))
    })
  )

  it.effect("does not ring for one who has left", () =>
    Effect.gen(function* () {
      const bell = new Signal()
      bell.reset()
      assert.isTrue(yield* waits(bell))
      bell.notify()
      assert.isFalse(yield* waits(bell))
    })
  )
})
