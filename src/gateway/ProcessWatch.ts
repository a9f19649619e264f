/**
 * Watch over the process, by one fiber for all gateways on the same clock: whether the machine has been asleep, and how late
 * timers fire.
 *
 * After a sleep every connection is dead, whatever it looks like, and every wait for a reconnect has lasted long enough. The
 * monotonic clock, which timers follow, stands still while a machine sleeps; the wall clock does not.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

/** Interval between two readings of the clocks. Each reading is one more step for a test that moves its clock by a day. */
const every = Duration.seconds(5)

/** Tolerance for the clocks' drift between two readings: a clock that is set by some seconds is no sleep. */
const tolerance = Duration.seconds(15)

/** Calls the listener when the machine has been asleep, with the length of the sleep, until the scope closes. */
export const onWake = (listener: (slept: Duration.Duration) => void): Effect.Effect<void, never, Scope.Scope> =>
  subscribe({ onWake: listener })

/** Calls the listener with the lateness of each reading. Only one listener is called at a time: the lag is the process's. */
export const onLag = (listener: (late: Duration.Duration) => void): Effect.Effect<void, never, Scope.Scope> =>
  subscribe({ onLag: listener })

interface Listener {
  readonly onWake?: (slept: Duration.Duration) => void
  readonly onLag?: (late: Duration.Duration) => void
}

interface Watch {
  readonly listeners: Set<Listener>
  readonly fiber: Fiber.Fiber<never>
}

const watches = new WeakMap<Clock.Clock, Watch>()

const subscribe = (listener: Listener): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.gen(function* () {
        const clock = yield* Clock.Clock
        const known = watches.get(clock)
        if (known !== undefined) {
          known.listeners.add(listener)
          return { clock, watch: known }
        }
        const listeners = new Set([listener])
        const watch = { listeners, fiber: yield* Effect.forkDetach(read(clock, listeners)) }
        watches.set(clock, watch)
        return { clock, watch }
      }),
      ({ clock, watch }) =>
        Effect.suspend(() => {
          watch.listeners.delete(listener)
          if (watch.listeners.size > 0) return Effect.void
          if (watches.get(clock) === watch) watches.delete(clock)
          return Fiber.interrupt(watch.fiber)
        })
    )
  )

const read = Effect.fnUntraced(function* (
  clock: Clock.Clock,
  listeners: ReadonlySet<Listener>
): Effect.fn.Return<never> {
  const monotonic = () => Duration.nanos(clock.monotonicTimeNanosUnsafe())
  /** Lead of the wall clock over the monotonic one. */
  const lead = () => Duration.subtract(Duration.millis(clock.currentTimeMillisUnsafe()), monotonic())

  let before = lead()
  while (true) {
    const due = Duration.sum(monotonic(), every)
    yield* Effect.sleep(every)
    const late = Duration.max(Duration.subtract(monotonic(), due), Duration.zero)
    for (const { onLag } of listeners) {
      if (onLag === undefined) continue
      onLag(late)
      break
    }
    const now = lead()
    const slept = Duration.subtract(now, before)
    before = now
    if (Duration.isLessThan(slept, tolerance)) continue
    for (const { onWake } of listeners) onWake?.(slept)
  }
})
