/**
 * The clock of one machine: its wall time may be off, and while the machine is paused no timer fires, as for a process that was
 * stopped, or whose computer gave it no time.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

/** A clock that can be stopped. */
export interface MachineClock extends Clock.Clock {
  /** Milliseconds by which its wall time is ahead. */
  skew: number
  readonly isRunning: () => boolean
  /** Waits until the machine runs. */
  readonly running: Effect.Effect<void>
  readonly pause: () => void
  readonly resume: () => void
}

/** Follows another clock. */
export const make = (clock: Clock.Clock): MachineClock => {
  const latch = Latch.makeUnsafe(true)
  const isRunning = () => latch.isOpen()
  const running: Effect.Effect<void> = Effect.suspend(() =>
    isRunning() ? Effect.void : Effect.flatMap(latch.await, () => running)
  )
  const machine: MachineClock = {
    skew: 0,
    isRunning,
    running,
    pause: () => latch.closeUnsafe(),
    resume: () => latch.openUnsafe(),
    currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + machine.skew,
    currentTimeMillis: Effect.sync(() => machine.currentTimeMillisUnsafe()),
    currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + BigInt(Math.round(machine.skew)) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => machine.currentTimeNanosUnsafe()),
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => Effect.andThen(clock.sleep(duration), running)
  }
  return machine
}
