import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { TestClock } from "effect/testing"
import { Doorbell } from "../../src/services/Doorbell.ts"

/** Whether it waits for longer than a second. */
const waits = (bell: Doorbell) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.timeoutOption(bell.rung, "1 second"))
    yield* TestClock.adjust("1 second")
    return Option.isNone(yield* Fiber.join(fiber))
  })

describe("a doorbell", () => {
  it.effect("wakes who waits", () =>
    Effect.gen(function* () {
      const bell = new Doorbell()
      bell.listen()
      const fiber = yield* Effect.forkChild(bell.rung)
      yield* Effect.yieldNow
      bell.ring()
      yield* Fiber.join(fiber)
    })
  )

  it.effect("is not missed between looking and waiting", () =>
    Effect.gen(function* () {
      const bell = new Doorbell()
      bell.listen()
      bell.ring()
      assert.isFalse(yield* waits(bell))
    })
  )

  it.effect("that rang before one listened is no reason to wake", () =>
    Effect.gen(function* () {
      const bell = new Doorbell()
      bell.ring()
      bell.listen()
      assert.isTrue(yield* waits(bell))
    })
  )

  it.effect("does not ring for one who has left", () =>
    Effect.gen(function* () {
      const bell = new Doorbell()
      bell.listen()
      assert.isTrue(yield* waits(bell))
      bell.ring()
      assert.isFalse(yield* waits(bell))
    })
  )
})
