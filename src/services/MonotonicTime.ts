/**
 * Monotonic time, for windows and waits: setting the computer's clock makes none of them shorter or longer.
 *
 * The numbers have no meaning but their differences. Times that people read are the wall clock's.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Milliseconds of a clock's monotonic time. */
export const of = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000

/** Milliseconds of monotonic time. */
export const now: Effect.Effect<number> = Clock.clockWith((clock) => Effect.succeed(of(clock)))
