/**
 * Wakes the one fiber that waits at it. Whoever comes to wait looks first whether there is a reason to.
 *
 * A `Latch` would do, but has a set of functions of its own, and every shard has two of these.
 */
import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"

/** A bell for one waiter. */
export class Doorbell {
  private wake = constVoid

  /** Waits until it rings. */
  get rung(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      this.wake = () => resume(Effect.void)
    })
  }

  /** Wakes the waiter, if there is one. */
  ring(): void {
    const { wake } = this
    this.wake = constVoid
    wake()
  }
}
