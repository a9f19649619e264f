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

/** Called with payloads that are handled, in order. */
export type OnHandled = (payloads: ReadonlyArray<Payload>) => void

/** The log. */
export interface Delivery {
  /**
   * Appends payloads at once, whatever room there is: what was read from the socket cannot be put back. Whoever appends
   * waits for `room` before reading on, so the log never holds more than its capacity and one read of each shard.
   */
  readonly append: (
    payloads: ReadonlyArray<Payload>,
    /** How much memory they take, roughly, in bytes. */
    size: number,
    onHandled: OnHandled,
    /** Called when all of these are handled, and all before them. */
    onComplete?: () => void
  ) => void
  /** Whether the log holds as much as it may. */
  readonly isFull: () => boolean
  /** Waits until the log holds less than it may. */
  readonly room: Effect.Effect<void>
  /** How many payloads wait, and for how many subscribers. */
  readonly size: () => { readonly payloads: number; readonly subscribers: number }
  /** Everything from now on; for the first subscriber, and one that finds no other, from where the log begins. */
  readonly payloads: Stream.Stream<Payload, GatewayError>
  /** Ends every subscription, now and later, once it has read what the log holds. */
  readonly end: (exit: Exit.Exit<never, GatewayError>) => void
}

/** A reader of the log. Positions count all payloads since the start. */
interface Subscriber {
  /** Everything before this is handled. */
  asked: number
  /** Everything before this was handed over. */
  taken: number
  readonly arrival: Latch.Latch
}

/** Makes a log for so many payloads, of so many bytes. */
export const make = (options: { readonly capacity: number; readonly capacityBytes: number }): Delivery => {
  let log: Array<Payload> = []
  /** The position of `log[0]`. */
  let start = 0
  /** Who is to be told, of what was appended up to which position. */
  let appends: Array<{
    readonly end: number
    readonly size: number
    readonly onHandled: OnHandled
    readonly onComplete: (() => void) | undefined
  }> = []
  /** Where a subscriber begins that finds no other. */
  let next = 0
  let ended: Exit.Exit<never, GatewayError> | undefined
  const subscribers = new Set<Subscriber>()
  const room = Latch.makeUnsafe(true)

  let bytes = 0
  const isFull = () => log.length >= options.capacity || bytes >= options.capacityBytes

  const trim = () => {
    let handled = start + log.length
    for (const subscriber of subscribers) handled = Math.min(handled, subscriber.asked)
    if (handled <= start) return
    let told = start
    let done = 0
    for (const { end, onComplete, onHandled, size } of appends) {
      const upTo = Math.min(end, handled)
      if (upTo > told) onHandled(log.slice(told - start, upTo - start))
      told = upTo
      if (end > handled) break
      onComplete?.()
      bytes -= size
      done++
    }
    appends = appends.slice(done)
    log = log.slice(handled - start)
    start = handled
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
      const waiting = log.slice(subscriber.taken - start)
      if (Arr.isArrayNonEmpty(waiting)) {
        subscriber.taken = start + log.length
        return Effect.succeed(waiting)
      }
      if (ended !== undefined) return ended
      subscriber.arrival.closeUnsafe()
      return Effect.flatMap(subscriber.arrival.await, () => pull(subscriber))
    })

  return {
    append: (payloads, size, onHandled, onComplete) => {
      if (payloads.length === 0 && appends.length === 0) {
        onComplete?.()
        return
      }
      for (const payload of payloads) log.push(payload)
      bytes += size
      appends.push({ end: start + log.length, size, onHandled, onComplete })
      if (isFull()) room.closeUnsafe()
      for (const { arrival } of subscribers) arrival.openUnsafe()
    },
    isFull,
    room: Effect.suspend(function wait(): Effect.Effect<void> {
      return isFull() ? Effect.flatMap(room.await, wait) : Effect.void
    }),
    size: () => ({ payloads: log.length, subscribers: subscribers.size }),
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
