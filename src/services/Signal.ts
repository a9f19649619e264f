/**
 * Wakes the one fiber that waits at it. Whoever comes to wait listens, then looks whether there is a reason to wait, and
 * then waits: a ring after it began to listen is not lost. Between looking and waiting a fiber may lose its turn.
 *
 * A `Latch` would do, but has a set of functions of its own, and every shard has two of these.
 */
import * as Effect from "effect/Effect"

/** A bell for one waiter. */
export class Signal {
  private wake: (() => void) | undefined
  private isSet = false

  /** Forgets the rings so far. */
  reset(): void {
    this.isSet = false
  }

  /** Waits until it rings, or not at all if it has rung since `listen`. */
  get wait(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      if (this.isSet) return resume(Effect.void)
      this.wake = () => resume(Effect.void)
      return Effect.sync(() => {
        this.wake = undefined
      })
    })
  }

  /** Wakes the waiter. */
  notify(): void {
    const { wake } = this
    this.isSet = true
    this.wake = undefined
    wake?.()
  }
}
