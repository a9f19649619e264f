/**
 * Tells when the machine has been asleep: then every connection is dead, whatever it looks like, and every wait for a
 * reconnect has lasted long enough.
 *
 * The monotonic clock, which timers follow, stands still while a machine sleeps; the wall clock does not.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Alarm from "./Alarm.ts"

/** Rings when the machine has been asleep, and tells for how long. */
export type Wake = Pick<Alarm.Alarm<Duration.Duration>, "next">

/** How often the clocks are compared, and by how much they may drift apart meanwhile: setting a clock is no sleep. */
const every = Duration.seconds(5)
const tolerance = Duration.seconds(15)

/** Compares the clocks for as long as its scope is open. */
export const make: Effect.Effect<Wake, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const alarm = Alarm.make<Duration.Duration>()

  /** How far the wall clock is ahead of the monotonic one. */
  const lead = () =>
    Duration.subtract(
      Duration.millis(clock.currentTimeMillisUnsafe()),
      Duration.nanos(clock.monotonicTimeNanosUnsafe())
    )

  yield* Effect.gen(function* () {
    let before = lead()
    while (true) {
      yield* Effect.sleep(every)
      const now = lead()
      const slept = Duration.subtract(now, before)
      before = now
      if (Duration.isLessThan(slept, tolerance)) continue
      alarm.ring(slept)
    }
  }).pipe(Effect.forkScoped)

  return { next: alarm.next }
})
