/**
 * Wakes everyone who waits for it, each time that it rings.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

/** An alarm that rings with a value. */
export interface Alarm<A> {
  /** Waits until it rings again. */
  readonly next: Effect.Effect<A>
  /** Wakes those who are waiting now. */
  readonly ring: (value: A) => void
}

/** Makes an alarm. */
export const make = <A>(): Alarm<A> => {
  let waiting = Deferred.makeUnsafe<A>()
  return {
    next: Effect.suspend(() => Deferred.await(waiting)),
    ring: (value) => {
      const woken = waiting
      waiting = Deferred.makeUnsafe()
      Deferred.doneUnsafe(woken, Effect.succeed(value))
    }
  }
}
