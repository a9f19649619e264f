/**
 * How long a shard waits between two connections.
 *
 * The first reconnect after an established session is immediate. Attempts that do not establish one wait as the
 * configured schedule says, which begins anew once a session has lasted. A session that falls within seconds does not
 * count: accept-then-close loops must not spin.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import { ReconnectScheduleEnded } from "../schema/FatalError.ts"
import { GatewayError } from "../schema/GatewayError.ts"

/** The waits of one shard. */
export interface Backoff {
  /**
   * The wait before the next connection. `lasted` is how long the session was established on the last one, undefined if
   * it was not. Fails with `ReconnectScheduleEnded` when the schedule has ended.
   */
  readonly next: (
    error: GatewayError,
    lasted: Duration.Duration | undefined
  ) => Effect.Effect<Duration.Duration, GatewayError>
}

/** Starts a shard's waits. */
export const make = (options: {
  readonly schedule: Schedule.Schedule<unknown, GatewayError>
  readonly stableAfter: Duration.Duration
}): Backoff => {
  let step: Step | undefined
  let immediate = true

  const scheduled = Effect.fnUntraced(function* (error: GatewayError) {
    step ??= yield* Schedule.toStep(options.schedule)
    const [, delay] = yield* Pull.catchDone(step(yield* Clock.currentTimeMillis, error), () =>
      Effect.fail(
        new GatewayError({
          reason: new ReconnectScheduleEnded({ last: error.reason.message }),
          ...(error.shard === undefined ? {} : { shard: error.shard })
        })
      )
    )
    return delay
  })

  return {
    next: Effect.fnUntraced(function* (error, lasted) {
      if (lasted !== undefined && Duration.isGreaterThanOrEqualTo(lasted, options.stableAfter)) {
        step = undefined
        immediate = true
      }
      let delay = Duration.zero
      if (lasted !== undefined && immediate) immediate = false
      else delay = yield* scheduled(error)
      return Duration.max(delay, yield* atLeast(error))
    })
  }
}

type Step = Effect.Success<ReturnType<typeof Schedule.toStep<unknown, GatewayError, never, never>>>

/** What Discord asks for, whatever our own schedule says. */
const atLeast = ({ reason }: GatewayError): Effect.Effect<Duration.Duration> => {
  switch (reason._tag) {
    case "SessionInvalidated":
      return reason.resumable
        ? Effect.succeed(Duration.zero)
        : Effect.map(Random.nextIntBetween(1000, 5000), Duration.millis)
    case "DirectoryRateLimited":
      return Effect.succeed(reason.retryAfter)
    default:
      return Effect.succeed(Duration.zero)
  }
}
