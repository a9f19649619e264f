/**
 * Timers for synchronous callbacks, which cannot yield: sockets, and the server's end of connections.
 *
 * Each timer is a sleep on the `Clock` in a fiber of the layer's scope: a `TestClock` drives it, and the end of the scope
 * cancels it. Every wait of the simulator is one.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"

/** Clock and timers for callbacks. */
export interface Timers {
  /** Whole milliseconds since 1970, so that differences are exact. */
  readonly now: () => number
  /** Runs a task once after `millis` milliseconds, always asynchronously. Returns its cancellation. */
  readonly after: (millis: number, task: () => void) => () => void
}

/** Timers of the scope. */
export const make: Effect.Effect<Timers, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const run = yield* FiberSet.makeRuntime()
  return {
    now: () => Math.round(clock.currentTimeMillisUnsafe()),
    after: (millis, task) => {
      const wait = millis > 0 ? clock.sleep(Duration.millis(millis)) : Effect.yieldNow
      let calledOff = false
      const fiber = run(
        Effect.andThen(
          wait,
          Effect.sync(() => {
            if (!calledOff) task()
          })
        ).pipe(Effect.tapDefect((defect) => Effect.logError("A listener of a simulated connection threw", defect)))
      )
      return () => {
        calledOff = true
        fiber.interruptUnsafe()
      }
    }
  }
})
