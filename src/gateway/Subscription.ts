/**
 * A subscriber's place in the log of deliveries: what it has yet to read, and what it was handed and has not acknowledged.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import type { GatewayError } from "../schema/GatewayError.ts"
import type { Payload } from "../schema/Payload.ts"
import type { MarkSegment } from "../shard/LowWaterMark.ts"
import { isWanted, union, type Wanted } from "./Wanted.ts"

/**
 * The payloads of one read, in the log until all who hold it have acknowledged all of them. Segments do not refer to each
 * other, so that one which nobody acknowledges keeps no other in memory.
 */
export interface Segment {
  /** Counts the segments. */
  readonly index: number
  readonly payloads: ReadonlyArray<Payload>
  readonly size: number
  readonly mark: MarkSegment
  /** Count of processes before this one that may have handed these payloads out. */
  readonly handedOutBefore: number
  /** Subscriptions that have not acknowledged all of it. */
  holders: number
  /** Subscriptions that were interrupted and over whose payloads the mark is not to move yet. */
  markHolds: number
  isReleased: boolean
}

/** A payload that a subscription was handed and has not acknowledged. */
export interface Held {
  readonly payload: Payload
  /** Count of the times that this process has begun with it before. */
  readonly begunBefore: number
  /** When it was handed out, in milliseconds of monotonic time. */
  readonly since: number
  readonly hold: Hold
  readonly index: number
  /** Whether the program has begun with it: it was handed a delivery, or a handler runs. */
  hasBegun: boolean
}

/**
 * Count of processes that may have handed a payload out before this one: an upper bound, since the replay also has what none
 * of them came to. What is of a connection alone never was handed out.
 */
export const processesBefore = ({ hold, payload: { s, t } }: Held): number =>
  s === null || t === "RESUMED" ? 0 : hold.segment.handedOutBefore

/** Count of times that a payload was handed out, this time included, as far as that is known. */
export const attemptsOf = (held: Held): number => processesBefore(held) + held.begunBefore + 1

/** The share of one subscription in a segment. */
export class Hold {
  readonly segment: Segment
  private acknowledged = 0
  /** Payloads acknowledged out of order. */
  private ahead: Set<number> | undefined

  constructor(segment: Segment) {
    this.segment = segment
  }

  /** Acknowledges a payload. Returns the number of payloads from the beginning that are acknowledged. */
  acknowledge(index: number): number {
    if (index !== this.acknowledged) {
      this.ahead ??= new Set()
      this.ahead.add(index)
      return this.acknowledged
    }
    this.acknowledged++
    while (this.ahead?.delete(this.acknowledged) === true) this.acknowledged++
    return this.acknowledged
  }

  get isDone(): boolean {
    return this.acknowledged === this.segment.payloads.length
  }
}

/** Options of a subscription. */
export interface SubscriptionOptions {
  readonly wanted: Wanted
  /**
   * True where each payload is acknowledged by itself, false where asking for the next one acknowledges it. Payloads that
   * were not acknowledged are not given up when the subscription ends.
   */
  readonly acknowledges: boolean
  /** Tells a program that comes back from others that want the same. */
  readonly owner: object | undefined
}

/** The rest of a subscription: payloads that it leaves to another. */
export interface Rest {
  /** Payloads that were handed out and are not acknowledged, oldest first. */
  readonly returned: ReadonlyArray<Held>
  /** The segments that were not handed out. */
  readonly unread: ReadonlyArray<Segment>
  readonly wanted: Wanted
}

/** The segments of a rest, each once. */
export function* segmentsOf({ returned, unread }: Rest): Iterable<Segment> {
  let last: Segment | undefined
  for (const { hold } of returned) {
    if (hold.segment !== last) yield hold.segment
    last = hold.segment
  }
  yield* unread
}

/** The log as a subscription sees it. */
export interface SubscriptionHost {
  /** The end of the log, once it has ended. */
  readonly exit: Exit.Exit<never, GatewayError> | undefined
  /** Milliseconds of monotonic time. */
  readonly now: () => number
  /** A subscription has acknowledged all of a segment. */
  readonly release: (segment: Segment) => void
  /** A subscription has shown what it wants. */
  readonly tellWanted: () => void
}

/** A reader of the log. */
export class Subscription {
  readonly options: SubscriptionOptions
  /** The first segment that is for it. */
  readonly from: number
  private readonly log: SubscriptionHost
  /** The names that were wanted of the rest that it took over, until it has caught up with it. */
  private inherited: { readonly wanted: Wanted } | undefined
  private returned: Array<Held>
  /** Segments, of which those from `next` on are unread. */
  private queue: Array<Segment>
  private next = 0
  /** Handed out and not acknowledged, oldest first. */
  private readonly held = new Map<Payload, Held>()
  /** The payloads that a stream was handed, of which so many, from the beginning, are acknowledged. */
  private batch: ReadonlyArray<Held> = []
  private acknowledged = 0
  /** The payload that a stream has handed on, which asking for the next one acknowledges. */
  private inHand: Held | undefined
  private isLoop = false
  private readonly arrival = Latch.makeUnsafe(false)

  constructor(log: SubscriptionHost, options: SubscriptionOptions, rest: Rest, from: number) {
    this.log = log
    this.from = from
    this.options = options
    this.inherited = { wanted: rest.wanted }
    this.returned = [...rest.returned]
    this.queue = [...rest.unread]
  }

  /**
   * The names to which decoding may be narrowed; undefined for everything. A subscriber that has come back for more is a loop;
   * one that takes a single payload and leaves has the rest decoded for the next one.
   */
  get narrows(): Wanted {
    return this.options.acknowledges || this.isLoop ? this.options.wanted : undefined
  }

  /** A segment came. The subscriber is still to be woken. */
  offer(segment: Segment): void {
    this.queue.push(segment)
  }

  /** There is something new, or the log has ended. */
  wake(): void {
    this.arrival.openUnsafe()
  }

  /**
   * The next payloads, at least one; those that are wanted, where they are acknowledged. A stream passes over the others as it
   * comes to them, since it may leave before. Fails with the end of the log.
   */
  readonly take: Effect.Effect<ReadonlyArray<Held>, GatewayError> = Effect.suspend(() => {
    const held = this.poll()
    if (held.length > 0) return Effect.succeed(held)
    const { exit } = this.log
    if (exit !== undefined) return exit
    this.arrival.closeUnsafe()
    return Effect.flatMap(this.arrival.await, () => this.take)
  })

  private poll(): ReadonlyArray<Held> {
    const since = this.log.now()
    if (this.returned.length > 0) {
      const again = this.returned.map((held) => ({
        ...held,
        begunBefore: held.begunBefore + (held.hasBegun ? 1 : 0),
        hasBegun: false,
        since
      }))
      this.returned = []
      return this.handOut(again)
    }
    for (let segment = this.shift(); segment !== undefined; segment = this.shift()) {
      const hold = new Hold(segment)
      const held: Array<Held> = []
      for (const [index, payload] of segment.payloads.entries()) {
        held.push({ payload, index, hold, since, begunBefore: 0, hasBegun: false })
      }
      const wanted = this.handOut(held)
      if (wanted.length > 0) return wanted
    }
    this.inherited = undefined
    return []
  }

  private shift(): Segment | undefined {
    const segment = this.queue[this.next]
    if (segment === undefined) return undefined
    this.next++
    if (this.next === this.queue.length) {
      this.queue = []
      this.next = 0
    } else if (this.next > 64 && 2 * this.next > this.queue.length) {
      this.queue = this.queue.slice(this.next)
      this.next = 0
    }
    return segment
  }

  private handOut(candidates: ReadonlyArray<Held>): ReadonlyArray<Held> {
    const { acknowledges, wanted } = this.options
    if (!acknowledges) {
      this.batch = candidates
      this.acknowledged = 0
      return candidates
    }
    // Unwanted payloads are settled below, so it has caught up.
    if (this.queue.length === 0) this.inherited = undefined
    const handedOut = wanted === undefined ? candidates : candidates.filter(({ payload }) => isWanted(payload, wanted))
    for (const held of handedOut) this.held.set(held.payload, held)
    if (handedOut.length !== candidates.length) {
      for (const held of candidates) if (!this.held.has(held.payload)) this.settle(held)
    }
    return handedOut
  }

  /** A payload is handled. */
  acknowledge(held: Held): void {
    if (this.held.delete(held.payload)) this.settle(held)
  }

  /** A stream has handed a payload on and is asked for another. */
  comeBack(): void {
    if (this.isLoop) return
    this.isLoop = true
    this.log.tellWanted()
  }

  /** A stream hands a payload on, and so acknowledges the one before it. */
  handOn(held: Held | undefined): void {
    this.acknowledgeInHand()
    this.inHand = held
  }

  /** The payload that a stream has handed on is handled. */
  acknowledgeInHand(): void {
    if (this.inHand === undefined) return
    this.acknowledged++
    this.settle(this.inHand)
    this.inHand = undefined
  }

  /** A payload is not handled: it is handed out again, before those that come after it. */
  reject(held: Held): void {
    if (!this.held.delete(held.payload)) return
    this.returned.push(held)
    this.arrival.openUnsafe()
  }

  private settle({ hold, index }: Held): void {
    const { segment } = hold
    const acknowledged = hold.acknowledge(index)
    if (hold.isDone) return this.log.release(segment)
    if (acknowledged <= index || segment.holders > 1 || segment.markHolds > 0) return
    const sequence = segment.payloads[acknowledged - 1]?.s
    if (typeof sequence === "number") segment.mark.progress(sequence)
  }

  /** The payload that was handed out longest ago and is not acknowledged. */
  oldest(): Held | undefined {
    if (!this.options.acknowledges) return undefined
    const [oldest] = this.held.values()
    return oldest
  }

  /** Ends the subscription. Acknowledgements that come later count for nothing. */
  close(): Rest {
    const returned = [...this.held.values(), ...this.batch.slice(this.acknowledged), ...this.returned].toSorted(inOrder)
    const unread = this.queue.slice(this.next)
    this.batch = []
    this.queue = []
    this.next = 0
    this.held.clear()
    const { wanted } = this.options
    return { returned, unread, wanted: this.inherited === undefined ? wanted : union(wanted, this.inherited.wanted) }
  }
}

const inOrder = (one: Held, other: Held): number =>
  one.hold === other.hold ? one.index - other.index : one.since - other.since
