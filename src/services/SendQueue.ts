/**
 * What a shard is to send, in order, over its connections: 120 payloads in 60 s at most on each.
 *
 * A payload waits for READY or RESUMED, and for its turn; a lost connection leaves it at the head of the queue. Heartbeats
 * do not pass through here: room is kept for them, so that they never wait for anything.
 *
 * Source: Discord, "Rate Limiting".
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { GatewayError, type GatewayErrorReason } from "../schema/GatewayError.ts"
import { SendQueueFull } from "../schema/SendError.ts"
import type { Connection } from "./GatewayConnection.ts"

/** The queue of one shard. */
export interface SendQueue {
  /**
   * Sends a frame when it can be. Ends when it was handed to the socket; interrupting it takes the frame out of the queue.
   * Fails with `SendQueueFull`.
   */
  readonly send: (frame: string) => Effect.Effect<void, GatewayError>
  /** Sends what waits, and what comes, over a connection that is ready. Never ends by itself. */
  readonly drain: (connection: Connection, heartbeatInterval: Duration.Duration) => Effect.Effect<never, GatewayError>
  /** How many frames wait. */
  readonly size: () => number
  /** Fails what waits, and what comes. */
  readonly close: (reason: GatewayErrorReason) => void
}

interface Waiting {
  readonly frame: string
  readonly settle: (result: Effect.Effect<void, GatewayError>) => void
}

/** What Discord allows on a connection, and in how long; a second more, since frames do not all travel equally fast. */
const limit = 120
const window = Duration.seconds(61)

/** Makes the queue of a shard. */
export const make = (options: { readonly shard: number; readonly capacity: number }): SendQueue => {
  const waiting = new Set<Waiting>()
  const arrival = Latch.makeUnsafe(false)
  let closed: GatewayErrorReason | undefined
  const failure = (reason: GatewayErrorReason) => new GatewayError({ reason, shard: options.shard })

  const send: SendQueue["send"] = (frame) =>
    Effect.callback<void, GatewayError>((resume) => {
      if (closed !== undefined) return resume(Effect.fail(failure(closed)))
      if (waiting.size >= options.capacity) {
        return resume(Effect.fail(failure(new SendQueueFull({ capacity: options.capacity }))))
      }
      const entry: Waiting = { frame, settle: resume }
      waiting.add(entry)
      arrival.openUnsafe()
      return Effect.sync(() => {
        waiting.delete(entry)
      })
    })

  const drain: SendQueue["drain"] = Effect.fnUntraced(function* (connection, heartbeatInterval) {
    const room = limit - reservedFor(heartbeatInterval)
    const windowMillis = Duration.toMillis(window)
    /** When the last frames were sent, oldest first. */
    const sent: Array<number> = []
    while (true) {
      yield* arrival.await
      const now = yield* Clock.currentTimeMillis
      while (sent[0] !== undefined && sent[0] <= now - windowMillis) sent.shift()
      if (sent[0] !== undefined && sent.length >= room) {
        yield* Effect.sleep(sent[0] + windowMillis - now)
        continue
      }
      const [entry] = waiting
      if (entry === undefined) {
        arrival.closeUnsafe()
        continue
      }
      yield* Effect.uninterruptible(
        Effect.andThen(
          connection.send(entry.frame),
          Effect.sync(() => {
            sent.push(now)
            waiting.delete(entry)
            entry.settle(Effect.void)
          })
        )
      )
    }
  })

  return {
    send,
    drain,
    size: () => waiting.size,
    close: (reason) => {
      closed = reason
      for (const { settle } of waiting) settle(Effect.fail(failure(reason)))
      waiting.clear()
    }
  }
}

/** IDENTIFY or RESUME, the heartbeats of a window, and as many again that the server may ask for. */
const reservedFor = (heartbeatInterval: Duration.Duration): number =>
  Math.min(limit - 1, 1 + 2 * Math.ceil(Duration.toMillis(window) / Duration.toMillis(heartbeatInterval)))
