/**
 * Queue of a shard's payloads to send, in order, over its connections: a sliding window of 120 payloads in 60 s on each.
 *
 * A payload waits for READY or RESUMED, and for its turn; a lost connection leaves it at the head of the queue. Heartbeats
 * do not pass through here: room is kept for them, so that they never wait for anything.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { GatewayError, type GatewayErrorReason } from "../schema/GatewayError.ts"
import { SendQueueFull } from "../schema/SendError.ts"
import { Signal } from "../services/Signal.ts"
import type { OpenConnection } from "../services/GatewayConnection.ts"

interface Waiting {
  readonly frame: string
  readonly complete: (result: Effect.Effect<void, GatewayError>) => void
}

/**
 * Discord's limit on a connection and its window; a second longer, since frames do not all travel equally fast.
 *
 * Discord, "Rate Limiting": https://discord.com/developers/docs/events/gateway#rate-limiting
 */
const limit = 120
const window = Duration.seconds(61)

/** The queue of one shard. */
export class SendQueue {
  private readonly shard: number
  private readonly capacity: number
  private readonly waiting = new Set<Waiting>()
  private readonly arrival = new Signal()
  private closed: GatewayErrorReason | undefined

  constructor(options: { readonly shard: number; readonly capacity: number }) {
    this.shard = options.shard
    this.capacity = options.capacity
  }

  /** Count of frames that wait. */
  get size(): number {
    return this.waiting.size
  }

  /**
   * Sends a frame when it can be. Ends when it was handed to the socket; interrupting it takes the frame out of the queue.
   * Fails with `SendQueueFull`.
   */
  send(frame: string): Effect.Effect<void, GatewayError> {
    return Effect.callback<void, GatewayError>((resume) => {
      if (this.closed !== undefined) return resume(this.failure(this.closed))
      if (this.waiting.size >= this.capacity) {
        return resume(this.failure(new SendQueueFull({ capacity: this.capacity })))
      }
      const entry: Waiting = { frame, complete: resume }
      this.waiting.add(entry)
      this.arrival.notify()
      return Effect.sync(() => {
        this.waiting.delete(entry)
      })
    })
  }

  /** Sends what waits, and what comes, over a connection that is ready. Never ends by itself. */
  drain(connection: OpenConnection, heartbeatInterval: Duration.Duration): Effect.Effect<never, GatewayError> {
    const room = limit - reservedFor(heartbeatInterval)
    const windowMillis = Duration.toMillis(window)
    /** Times of the last sends, oldest first. */
    const sent: Array<number> = []
    const sendNext = Effect.gen({ self: this }, function* () {
      const now = yield* Clock.currentTimeMillis
      while (sent[0] !== undefined && sent[0] <= now - windowMillis) sent.shift()
      if (sent[0] !== undefined && sent.length >= room) return yield* Effect.sleep(sent[0] + windowMillis - now)
      this.arrival.reset()
      const [entry] = this.waiting
      if (entry === undefined) return yield* this.arrival.wait
      yield* Effect.uninterruptible(
        Effect.map(connection.send(entry.frame), () => {
          sent.push(now)
          this.waiting.delete(entry)
          entry.complete(Effect.void)
        })
      )
    })
    return Effect.forever(sendNext)
  }

  /** Fails what waits, and what comes. */
  close(reason: GatewayErrorReason): void {
    this.closed = reason
    for (const { complete } of this.waiting) complete(this.failure(reason))
    this.waiting.clear()
  }

  private failure(reason: GatewayErrorReason): Effect.Effect<never, GatewayError> {
    return Effect.fail(new GatewayError({ reason, shard: this.shard }))
  }
}

/** IDENTIFY or RESUME, the heartbeats of a window, and as many again that the server may ask for. */
const reservedFor = (heartbeatInterval: Duration.Duration): number =>
  Math.min(limit - 1, 1 + 2 * Math.ceil(Duration.toMillis(window) / Duration.toMillis(heartbeatInterval)))
