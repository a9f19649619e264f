/**
 * Signal for one waiting fiber: `reset`, check the condition, `wait`. A `notify` after the `reset` is not lost, even if
 * the fiber yields between the check and the wait.
 *
 * `Latch` would do, but allocates its functions per instance, and every shard has two signals.
 */
import * as Effect from "effect/Effect"

/** Signal with one waiter. */
export class Signal {
  private wake: (() => void) | undefined
  private isSet = false

  /** Forgets all notifications so far. */
  reset(): void {
    this.isSet = false
  }

  /** Waits for `notify`. Returns at once if it was called since `reset`. */
  get wait(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      if (this.isSet) return resume(Effect.void)
      this.wake = () => resume(Effect.void)
      return Effect.sync(() => {
        this.wake = undefined
      })
    })
  }

  /** Wakes the waiter, or lets the next `wait` return at once. */
  notify(): void {
    const { wake } = this
    this.isSet = true
    this.wake = undefined
    wake?.()
  }
}
