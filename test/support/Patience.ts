/**
 * Waiting for a state. A slow machine is no defect, so there is no time by which a state has to be reached: what ends the
 * wait in the end only tells a state that never comes from one that comes late.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

/** Longer than anything takes on the slowest machine. */
export const patience = Duration.minutes(4)

/** Looks again and again until what it sees is as it should be, and gives it. `describe` says in a failure what else is known. */
export const until = <A, E, R>(
  look: Effect.Effect<A, E, R>,
  isSo: (seen: A) => boolean,
  describe: () => string = () => ""
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    let last: unknown
    return look.pipe(
      Effect.map((seen) => {
        last = seen
        return seen
      }),
      Effect.repeat({ until: isSo, schedule: Schedule.spaced("20 millis") }),
      Effect.timeoutOrElse({
        duration: patience,
        orElse: () => Effect.die(new Error(`It did not come to this: ${JSON.stringify(last)}\n${describe()}`))
      })
    )
  })

/** Looks until something is so. */
export const untilTrue = (isSo: () => boolean, describe?: () => string): Effect.Effect<void> =>
  Effect.asVoid(until(Effect.sync(isSo), (seen) => seen, describe))
