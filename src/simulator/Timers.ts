/**
 * Timers for synchronous callbacks, which cannot yield: sockets, and the server's end of connections.
 *
 * Each timer is a sleep on the `Clock` in a fiber of the layer's scope: a `TestClock` drives it, and the end of the scope
 * cancels it. Every wait of the simulator is one.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
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
  /**
   * Runs a task once the clock has stood still for a quarter of a second: a `TestClock` that nobody moves any more, as at the
   * end of a test. Never on a clock that goes by itself. Returns its cancellation.
   */
  readonly whenStill: (task: () => void) => () => void
}

/** The machine's clock, also where a `TestClock` is provided. */
const machineClock = Context.get(Context.empty(), Clock.Clock)

const look = Duration.millis(25)
const looksUntilStill = 10

/** Timers of the scope. */
export const make: Effect.Effect<Timers, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const run = yield* FiberSet.makeRuntime()
  const still = Effect.suspend(() => {
    let [seen, looks] = [clock.currentTimeMillisUnsafe(), 0]
    return Effect.repeat(machineClock.sleep(look), {
      until: () => {
        const now = clock.currentTimeMillisUnsafe()
        // Looks are counted, not time: a busy process is not one in which nobody moves the clock.
        looks = now === seen ? looks + 1 : 0
        seen = now
        return looks >= looksUntilStill
      }
    })
  })
  const runAfter = (wait: Effect.Effect<void>) => (task: () => void) => {
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
  return {
    now: () => Math.round(clock.currentTimeMillisUnsafe()),
    after: (millis, task) => runAfter(millis > 0 ? clock.sleep(Duration.millis(millis)) : Effect.yieldNow)(task),
    whenStill: runAfter(still)
  }
})
