/**
 * Wakes the one fiber that waits at it. Whoever comes to wait listens, then looks whether there is a reason to wait, and
 * then waits: a ring after it began to listen is not lost. Between looking and waiting a fiber may lose its turn.
 *
 * A `Latch` would do, but has a set of functions of its own, and every shard has two of these.
 */
import * as Effect from "effect/Effect"

/** A bell for one waiter. */
export class Doorbell {
  private wake: (() => void) | undefined
  private hasRung = false

  /** Forgets the rings so far. */
  listen(): void {
    this.hasRung = false
  }

  /** Waits until it rings, or not at all if it has rung since `listen`. */
  get rung(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      if (this.hasRung) return resume(Effect.void)
      this.wake = () => resume(Effect.void)
      return Effect.sync(() => {
        this.wake = undefined
      })
    })
  }

  /** Wakes the waiter. */
  ring(): void {
    const { wake } = this
    this.hasRung = true
    this.wake = undefined
    wake?.()
  }
}
