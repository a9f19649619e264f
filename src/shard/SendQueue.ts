/**
 * Queue of a shard's payloads to send, in order, over its connections.
 *
 * A payload waits for READY or RESUMED, and for room in the connection's `SendWindow`; a lost connection leaves it at the
 * head of the queue. Heartbeats do not pass through here: the window keeps room for them, so that they never wait.
 */
import * as Effect from "effect/Effect"
import { GatewayError, type GatewayErrorReason } from "../schema/GatewayError.ts"
import { SendQueueFull } from "../schema/SendError.ts"
import { Signal } from "../services/Signal.ts"
import type { OpenConnection } from "../services/GatewayConnection.ts"
import type { Lease } from "../services/ShardLease.ts"
import type { SendWindow } from "./SendWindow.ts"

interface Waiting {
  readonly frame: string
  readonly complete: (result: Effect.Effect<void, GatewayError>) => void
}

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

  /** Sends what waits, and what comes, over a connection that is ready, under the shard's lease. Never ends by itself. */
  drain(connection: OpenConnection, window: SendWindow, lease: Lease): Effect.Effect<never, GatewayError> {
    const sendNext = Effect.gen({ self: this }, function* () {
      const wait = window.wait("payload")
      if (wait > 0) return yield* Effect.sleep(wait)
      this.arrival.reset()
      const [entry] = this.waiting
      if (entry === undefined) return yield* this.arrival.wait
      if (!lease.isHeld()) return yield* lease.held
      yield* Effect.uninterruptible(
        Effect.map(connection.send(entry.frame), () => {
          window.add("payload")
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
