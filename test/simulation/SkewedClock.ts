/**
 * A clock whose wall time can jump ahead of its monotonic time, as on a laptop that was asleep: timers go on as if nothing
 * had happened.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** A clock that can be put forward. */
export interface SkewedClock extends Clock.Clock {
  /** Puts the wall clock forward by so many milliseconds. */
  readonly jump: (millis: number) => void
}

/** Follows another clock. */
export const make = (clock: Clock.Clock): SkewedClock => {
  let skew = 0
  const currentTimeMillisUnsafe = () => clock.currentTimeMillisUnsafe() + skew
  const currentTimeNanosUnsafe = () => clock.currentTimeNanosUnsafe() + BigInt(skew) * 1_000_000n
  return {
    currentTimeMillisUnsafe,
    currentTimeMillis: Effect.sync(currentTimeMillisUnsafe),
    currentTimeNanosUnsafe,
    currentTimeNanos: Effect.sync(currentTimeNanosUnsafe),
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration),
    jump: (millis) => {
      skew += Math.round(millis)
    }
  }
}
