/**
 * Time for code that is called back and cannot yield: sockets, and the connections at their other end.
 *
 * Every wait of the simulator goes through here. It is a sleep on the `Clock` in a fiber of the layer's scope: a
 * `TestClock` drives it, and nothing is left behind when the scope closes.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"

/** Says what time it is, and calls back later. */
export interface Timers {
  /** Whole milliseconds since 1970: differences between them are exact, so a limit of 5000 is met by 5000. */
  readonly now: () => number
  /** Calls back once, in `millis` milliseconds and never before it has returned. Gives the way to call it off. */
  readonly after: (millis: number, task: () => void) => () => void
}

/** Timers that live as long as the scope. */
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
