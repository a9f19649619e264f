/**
 * From the shards to the subscribers: one bounded, ordered log that every subscriber reads at its own pace.
 *
 * A payload stays in the log until every subscriber that was listening when it came has asked for more; then it is
 * handled. Without any subscriber it stays for the next one, so nothing is lost before the first, nor between two.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import type { GatewayError } from "../schema/GatewayError.ts"
import type { Payload } from "../schema/Payload.ts"
import type { ShardBuffer } from "../shard/ShardHost.ts"

/** The log. */
export interface Delivery extends ShardBuffer {
  /** Everything from now on; for the first subscriber, and one that finds no other, from where the log begins. */
  readonly payloads: Stream.Stream<Payload, GatewayError>
  /** Ends every subscription, now and later, once it has read what the log holds. */
  readonly end: (exit: Exit.Exit<never, GatewayError>) => void
}

/** What was appended at once, and is handed over at once. */
interface Segment {
  readonly payloads: ReadonlyArray<Payload>
  readonly size: number
  readonly onHandled: (payloads: ReadonlyArray<Payload>) => void
  readonly onComplete: (() => void) | undefined
}

/** A reader of the log. Positions count all segments since the start. */
interface Subscriber {
  /** Everything before this is handled. */
  asked: number
  /** Everything before this was handed over. */
  taken: number
  readonly arrival: Latch.Latch
}

/** Makes a log for so many payloads, of so many bytes. */
export const make = (options: { readonly capacity: number; readonly capacityBytes: number }): Delivery => {
  const log: Array<Segment> = []
  /** The position of `log[0]`. */
  let start = 0
  let waiting = 0
  let bytes = 0
  /** Where a subscriber begins that finds no other. */
  let next = 0
  let ended: Exit.Exit<never, GatewayError> | undefined
  const subscribers = new Set<Subscriber>()
  const room = Latch.makeUnsafe(true)

  const isFull = () => waiting >= options.capacity || bytes >= options.capacityBytes

  const trim = () => {
    let handled = start + log.length
    for (const subscriber of subscribers) handled = Math.min(handled, subscriber.asked)
    for (let segment = log[0]; segment !== undefined && start < handled; segment = log[0]) {
      log.shift()
      start++
      waiting -= segment.payloads.length
      bytes -= segment.size
      segment.onHandled(segment.payloads)
      segment.onComplete?.()
    }
    if (!isFull()) room.openUnsafe()
  }

  const subscribe = Effect.acquireRelease(
    Effect.sync((): Subscriber => {
      const position = subscribers.size === 0 ? next : start + log.length
      const subscriber = { asked: position, taken: position, arrival: Latch.makeUnsafe(false) }
      subscribers.add(subscriber)
      return subscriber
    }),
    // What the last one was handed and did not ask beyond is handled when the next one asks: it may have been
    // interrupted in the midst of it.
    (subscriber) =>
      Effect.sync(() => {
        subscribers.delete(subscriber)
        if (subscribers.size === 0) next = subscriber.taken
        else trim()
      })
  )

  const pull = (subscriber: Subscriber): Effect.Effect<Arr.NonEmptyReadonlyArray<Payload>, GatewayError> =>
    Effect.suspend(() => {
      if (subscriber.asked !== subscriber.taken) {
        subscriber.asked = subscriber.taken
        trim()
      }
      const segment = log[subscriber.taken - start]
      if (segment !== undefined) {
        subscriber.taken++
        return Arr.isReadonlyArrayNonEmpty(segment.payloads) ? Effect.succeed(segment.payloads) : pull(subscriber)
      }
      if (ended !== undefined) return ended
      subscriber.arrival.closeUnsafe()
      return Effect.flatMap(subscriber.arrival.await, () => pull(subscriber))
    })

  return {
    append: (payloads, size, onHandled, onComplete) => {
      // With nothing before it, what was dropped is done with.
      if (payloads.length === 0 && log.length === 0) {
        onComplete?.()
        return
      }
      log.push({ payloads, size, onHandled, onComplete })
      waiting += payloads.length
      bytes += size
      if (isFull()) room.closeUnsafe()
      for (const { arrival } of subscribers) arrival.openUnsafe()
    },
    isFull,
    room: Effect.suspend(function wait(): Effect.Effect<void> {
      return isFull() ? Effect.flatMap(room.await, wait) : Effect.void
    }),
    size: () => ({
      payloads: waiting,
      subscribers: subscribers.size,
      fill: Math.max(waiting / options.capacity, bytes / options.capacityBytes)
    }),
    payloads: Stream.unwrap(
      Effect.map(subscribe, (subscriber) => {
        if (subscriber.asked > start) trim()
        return Stream.fromPull(Effect.succeed(pull(subscriber)))
      })
    ),
    end: (exit) => {
      ended ??= exit
      for (const { arrival } of subscribers) arrival.openUnsafe()
    }
  }
}

/** How a log ends that the program itself closed. */
export const interrupted: Exit.Exit<never, never> = Exit.failCause(Cause.interrupt())
