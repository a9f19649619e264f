/**
 * Keeps one connection alive, and finds out when it is dead: beats, judges acknowledgements, knows the latency.
 *
 * A peer can die with the TCP connection open ("zombie"), so silence between two beats is a verdict. It is not given
 * while we are the slow side: then the acknowledgement may be waiting, unread, in the socket.
 *
 * Source: Discord, "Sending Heartbeats".
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import { HeartbeatTimeout } from "../schema/ConnectionError.ts"
import { GatewayError } from "../schema/GatewayError.ts"

/** The heartbeat of one connection. */
export interface ConnectionHeartbeat {
  /**
   * Beats until the connection is dead: first after a random part of the interval, then every interval. Fails with
   * `HeartbeatTimeout` when no acknowledgement came between two beats.
   */
  readonly run: (interval: Duration.Duration) => Effect.Effect<never, GatewayError>
  /** Beats at once, as the server asks for with op 1. The timer goes on as it was. */
  readonly beat: Effect.Effect<void, GatewayError>
  /** An acknowledgement came. */
  readonly acknowledge: Effect.Effect<void>
  /** Runs an effect during which nothing is read, so that no verdict can be given. */
  readonly whileNotReading: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Time from the last acknowledged beat to its acknowledgement. */
  readonly latency: () => Option.Option<Duration.Duration>
}

/** Makes the heartbeat of a connection. Replace it to beat or to judge in another way. */
export class Heartbeat extends Context.Service<
  Heartbeat,
  {
    /** `send` sends a heartbeat with the last sequence received. */
    readonly make: (send: Effect.Effect<void, GatewayError>) => Effect.Effect<ConnectionHeartbeat>
  }
>()("disruption-gateway/Heartbeat") {
  static readonly layer: Layer.Layer<Heartbeat> = Layer.succeed(Heartbeat, {
    make: (send) => Effect.sync(() => new DefaultConnectionHeartbeat(send))
  })
}

class DefaultConnectionHeartbeat implements ConnectionHeartbeat {
  private readonly send: Effect.Effect<void, GatewayError>
  private acknowledged = true
  /** Whether nothing was read for some of the time since the last beat. */
  private blind = false
  private blindfolds = 0
  private sentAt: bigint | undefined
  private lastLatency = Option.none<Duration.Duration>()

  constructor(send: Effect.Effect<void, GatewayError>) {
    this.send = send
  }

  run(interval: Duration.Duration): Effect.Effect<never, GatewayError> {
    return Effect.andThen(
      Effect.flatMap(Random.next, (part) => Effect.sleep(Duration.times(interval, part))),
      Effect.forever(this.beatAndJudge(interval))
    )
  }

  private beatAndJudge(interval: Duration.Duration): Effect.Effect<void, GatewayError> {
    return Effect.gen({ self: this }, function* () {
      this.acknowledged = false
      this.blind = this.blindfolds > 0
      yield* this.beat
      const due = (yield* Clock.currentTimeMillis) + Duration.toMillis(interval)
      yield* Effect.sleep(interval)
      const late = (yield* Clock.currentTimeMillis) - due > lateMillis
      if (!this.acknowledged && !this.blind && !late) {
        return yield* new GatewayError({ reason: new HeartbeatTimeout({ interval }) })
      }
    })
  }

  get beat(): Effect.Effect<void, GatewayError> {
    return Effect.flatMap(Clock.monotonicTimeNanos, (now) => {
      this.sentAt = now
      return this.send
    })
  }

  get acknowledge(): Effect.Effect<void> {
    return Effect.map(Clock.monotonicTimeNanos, (now) => {
      this.acknowledged = true
      if (this.sentAt === undefined) return
      this.lastLatency = Option.some(Duration.nanos(now - this.sentAt))
      this.sentAt = undefined
    })
  }

  whileNotReading<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        this.blind = true
        this.blindfolds++
      }),
      () => effect,
      () =>
        Effect.sync(() => {
          this.blindfolds--
        })
    )
  }

  latency(): Option.Option<Duration.Duration> {
    return this.lastLatency
  }
}

/**
 * Timers run before sockets are read: after the process was held up for longer than the interval, the verdict would be
 * due before the acknowledgement that came in time has been looked at.
 */
const lateMillis = 500
