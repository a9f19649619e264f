/**
 * Heartbeats of one connection: sends them, detects zombie connections, measures the latency.
 *
 * Zombie detection: a heartbeat without acknowledgement before the next one fails the connection. The check is skipped
 * while this process is the slow side, since the acknowledgement may wait unread in the socket.
 *
 * Discord, "Sending Heartbeats": https://discord.com/developers/docs/events/gateway#sending-heartbeats
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
import * as MonotonicTime from "./MonotonicTime.ts"

/**
 * The heartbeat of one connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectionHeartbeat {
  /**
   * Heartbeats until the connection is dead: the first after a random part of the interval (jitter), then one every
   * interval. Fails with `HeartbeatTimeout` if no acknowledgement came between two of them.
   */
  readonly run: (interval: Duration.Duration) => Effect.Effect<never, GatewayError>
  /** Immediate heartbeat, the answer to Discord's op 1. It does not move the timer. */
  readonly beat: Effect.Effect<void, GatewayError>
  /** Registers an acknowledgement. */
  readonly acknowledge: Effect.Effect<void>
  /** Runs an effect during which the socket is not read, so acknowledgements may be late. */
  readonly whileNotReading: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Time from the last acknowledged heartbeat to its acknowledgement. */
  readonly latency: () => Option.Option<Duration.Duration>
}

/**
 * Makes the heartbeat of a connection. Replace it to change timing or zombie detection.
 *
 * @category services
 * @since 0.1.0
 */
export class Heartbeat extends Context.Service<
  Heartbeat,
  {
    /**
     * The heartbeat of a connection. `send` sends one with the sequence that a RESUME would take: with a durable store
     * the stored one, otherwise the last received.
     */
    readonly make: (send: Effect.Effect<void, GatewayError>) => Effect.Effect<ConnectionHeartbeat>
  }
>()("disruption-gateway/services/Heartbeat") {
  static readonly layer: Layer.Layer<Heartbeat> = Layer.succeed(Heartbeat, {
    make: (send) => Effect.sync(() => new DefaultConnectionHeartbeat(send))
  })
}

class DefaultConnectionHeartbeat implements ConnectionHeartbeat {
  private readonly send: Effect.Effect<void, GatewayError>
  private acknowledged = true
  /** Set if the socket was not read for some time since the last heartbeat. */
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
      const due = (yield* MonotonicTime.now) + Duration.toMillis(interval)
      yield* Effect.sleep(interval)
      const late = (yield* MonotonicTime.now) - due > lateMillis
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
 * Tolerance for a late timer. After a stall of the process, timers run before sockets are read, so the acknowledgement
 * that came in time has not been read yet.
 */
const lateMillis = 500
