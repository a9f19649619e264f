/**
 * Exponential backoff between two connections of a shard.
 *
 * The first reconnect after an established session is immediate. Attempts that do not establish one wait as the
 * configured schedule says, which begins anew once a session has lasted. A session that falls within seconds does not
 * count: accept-then-close loops must not spin.
 *
 * A session that Discord declares gone ends an outage: the schedule begins anew, and the IDENTIFY waits no more than Discord
 * asks for. Only one that follows another without a session that lasted between them counts as a failed attempt.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import { ReconnectScheduleEnded } from "../schema/FatalError.ts"
import { GatewayError } from "../schema/GatewayError.ts"

/** Options of the backoff. */
export interface BackoffOptions {
  readonly reconnect: Schedule.Schedule<unknown, GatewayError>
  readonly stableAfter: Duration.Duration
}

/** The waits of one shard. */
export class Backoff {
  private readonly options: BackoffOptions
  private step: Step | undefined
  private immediate = true
  /** Discord has declared a session gone since the last one that lasted. */
  private isInvalidated = false

  constructor(options: BackoffOptions) {
    this.options = options
  }

  /**
   * The wait before the next connection. `lasted` is how long the session was established on the last one, undefined if
   * it was not. Fails with `ReconnectScheduleEnded` when the schedule has ended.
   */
  next(error: GatewayError, lasted: Duration.Duration | undefined): Effect.Effect<Duration.Duration, GatewayError> {
    return Effect.suspend(() => {
      if (lasted !== undefined && Duration.isGreaterThanOrEqualTo(lasted, this.options.stableAfter)) {
        this.step = undefined
        this.immediate = true
        this.isInvalidated = false
      }
      if (error.recovery === "identify" && !this.isInvalidated) {
        this.step = undefined
        if (lasted !== undefined) this.immediate = false
        this.isInvalidated = true
        return Effect.succeed(Duration.zero)
      }
      if (lasted === undefined || !this.immediate) return this.scheduled(error)
      this.immediate = false
      return Effect.succeed(Duration.zero)
    }).pipe(Effect.zipWith(atLeast(error), Duration.max))
  }

  private scheduled(error: GatewayError): Effect.Effect<Duration.Duration, GatewayError> {
    return Effect.gen({ self: this }, function* () {
      this.step ??= yield* Schedule.toStep(this.options.reconnect)
      const [, delay] = yield* Pull.catchDone(this.step(yield* Clock.currentTimeMillis, error), () =>
        Effect.fail(
          new GatewayError({
            reason: new ReconnectScheduleEnded({ last: error.reason.message }),
            ...(error.shard === undefined ? {} : { shard: error.shard })
          })
        )
      )
      return delay
    })
  }
}

type Step = Effect.Success<ReturnType<typeof Schedule.toStep<unknown, GatewayError, never, never>>>

/**
 * Discord's own least waits, which our schedule does not shorten: those that it names, and 1 to 5 seconds before a new
 * session ("Resuming": https://discord.com/developers/docs/events/gateway#resuming).
 */
const atLeast = ({ reason }: GatewayError): Effect.Effect<Duration.Duration> => {
  switch (reason._tag) {
    case "SessionInvalidated":
      return reason.resumable
        ? Effect.succeed(Duration.zero)
        : Effect.map(Random.nextIntBetween(1000, 5000), Duration.millis)
    case "DirectoryRateLimited":
    case "DirectoryRejected":
    case "OpenFailed":
      return Effect.succeed(reason.retryAfter ?? Duration.zero)
    default:
      return Effect.succeed(Duration.zero)
  }
}
