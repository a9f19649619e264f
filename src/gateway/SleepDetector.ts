/**
 * Tells when the machine has been asleep: then every connection is dead, whatever it looks like, and every wait for a
 * reconnect has lasted long enough.
 *
 * The monotonic clock, which timers follow, stands still while a machine sleeps; the wall clock does not.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** How often the clocks are compared, and by how much they may drift apart meanwhile: setting a clock is no sleep. */
const every = Duration.seconds(5)
const tolerance = Duration.seconds(15)

/** Compares the clocks, and calls for what is to happen when the machine has been asleep, with how long it was. */
export const watch = Effect.fnUntraced(function* (onWake: (slept: Duration.Duration) => void): Effect.fn.Return<never> {
  const clock = yield* Clock.Clock
  /** How far the wall clock is ahead of the monotonic one. */
  const lead = () =>
    Duration.subtract(
      Duration.millis(clock.currentTimeMillisUnsafe()),
      Duration.nanos(clock.monotonicTimeNanosUnsafe())
    )

  let before = lead()
  while (true) {
    yield* Effect.sleep(every)
    const now = lead()
    const slept = Duration.subtract(now, before)
    before = now
    if (Duration.isGreaterThanOrEqualTo(slept, tolerance)) onWake(slept)
  }
})
