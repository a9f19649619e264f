/**
 * A subscriber's place in the log of deliveries: what it has yet to read, and what it was handed and has not acknowledged.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import type { GatewayError } from "../schema/GatewayError.ts"
import type { Payload } from "../schema/Payload.ts"
import type { Lease } from "../services/ShardLease.ts"
import type { MarkSegment } from "../shard/LowWaterMark.ts"
import { isWanted, type Wanted } from "./Wanted.ts"

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

  /** Only some payloads of the segment are held where their indexes are given. */
  constructor(segment: Segment, indexes?: ReadonlySet<number>) {
    this.segment = segment
    if (indexes === undefined) return
    for (let index = 0; index < segment.payloads.length; index++) if (!indexes.has(index)) this.acknowledge(index)
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
}

/** Payloads of a rest that are not for the program which left it, as a share of its own for another subscription. */
export const shareOf = (returned: ReadonlyArray<Held>, owed: Wanted): ReadonlyArray<Held> => {
  const others = returned.filter(({ payload }) => !isWanted(payload, owed))
  const indexes = new Map<Segment, Set<number>>()
  for (const { hold, index } of others) {
    const known = indexes.get(hold.segment)
    if (known === undefined) indexes.set(hold.segment, new Set([index]))
    else known.add(index)
  }
  const holds = new Map([...indexes].map(([segment, shared]) => [segment, new Hold(segment, shared)]))
  return others.map(({ begunBefore, hasBegun, hold, index, payload, since }) => ({
    begunBefore,
    hasBegun,
    hold: holds.get(hold.segment) ?? hold,
    index,
    payload,
    since
  }))
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
  /** Without it nothing is handed out. */
  readonly lease: Lease
  /** Milliseconds of monotonic time. */
  readonly now: () => number
  /** A subscription has acknowledged all of a segment. */
  readonly release: (segment: Segment) => void
  /** A payload was acknowledged. */
  readonly onSettled: () => void
  /** A subscription has shown what it wants. */
  readonly tellWanted: () => void
}

/**
 * A reader of the log, in one of two ways: `take` hands out what came together, to be acknowledged in any order; `next` hands
 * out one payload after the other, in order, and makes no object for it.
 */
export class Subscription {
  readonly options: SubscriptionOptions
  /** The first segment that is for it. */
  readonly from: number
  private readonly log: SubscriptionHost
  private returned: Array<Held>
  /** Segments, of which those from `unread` on are unread. */
  private queue: Array<Segment>
  private unread = 0
  /** Payloads that `take` has handed out and that are not acknowledged, oldest first. */
  private readonly held = new Map<Payload, Held>()
  /** The place of the payload that `next` has handed out, until it is acknowledged. */
  private isInHand = false
  private inHand: Hold | undefined
  private inHandIndex = 0
  private inHandBegunBefore = 0
  private inHandSince = 0
  /** The segment that `next` is in the midst of, and the place of the next payload. */
  private reading: Hold | undefined
  private index = 0
  private isLoop = false
  private readonly arrival = Latch.makeUnsafe(false)

  constructor(log: SubscriptionHost, options: SubscriptionOptions, rest: Rest, from: number) {
    this.log = log
    this.from = from
    this.options = options
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

  /** Waits for payloads that may be handed out. Fails with the end of the log, once there are none left. */
  readonly news: Effect.Effect<void, GatewayError> = Effect.suspend(() => {
    const { exit, lease } = this.log
    if (!lease.isHeld()) {
      // A lease that was lost for good does not come back: the end is all that is left to hear of.
      if (exit !== undefined) return exit
      this.arrival.closeUnsafe()
      return Effect.raceFirst(lease.held, this.arrival.await)
    }
    if (this.returned.length > 0 || this.queue.length > 0) return Effect.void
    if (exit !== undefined) return exit
    this.arrival.closeUnsafe()
    return this.arrival.await
  })

  /** The next payloads that are wanted, at least one. Fails with the end of the log. */
  readonly take: Effect.Effect<ReadonlyArray<Held>, GatewayError> = Effect.suspend(() => {
    const held = this.log.lease.isHeld() ? this.poll() : []
    return held.length > 0 ? Effect.succeed(held) : Effect.flatMap(this.news, () => this.take)
  })

  private poll(): ReadonlyArray<Held> {
    const since = this.log.now()
    if (this.returned.length > 0) {
      const again = this.returned.map((held) => ({
        ...held,
        begunBefore: timesBegun(held),
        hasBegun: false,
        since
      }))
      this.returned = []
      return this.handOut(again)
    }
    for (let segment = this.shift(); segment !== undefined; segment = this.shift()) {
      const wanted = this.handOut(heldFrom(new Hold(segment), 0, since))
      if (wanted.length > 0) return wanted
    }
    return []
  }

  private shift(): Segment | undefined {
    const segment = this.queue[this.unread]
    if (segment === undefined) return undefined
    this.unread++
    if (this.unread === this.queue.length) {
      this.queue = []
      this.unread = 0
    } else if (this.unread > 64 && 2 * this.unread > this.queue.length) {
      this.queue = this.queue.slice(this.unread)
      this.unread = 0
    }
    return segment
  }

  private handOut(candidates: ReadonlyArray<Held>): ReadonlyArray<Held> {
    const { wanted } = this.options
    const handedOut = wanted === undefined ? candidates : candidates.filter(({ payload }) => isWanted(payload, wanted))
    for (const held of handedOut) this.held.set(held.payload, held)
    if (handedOut.length !== candidates.length) {
      for (const held of candidates) if (!this.held.has(held.payload)) this.settle(held.hold, held.index)
    }
    return handedOut
  }

  /**
   * The next payload that is wanted, now in hand; the caller acknowledges the one before it first. Undefined where there is none at the
   * moment: see `news`.
   */
  next(): Payload | undefined {
    if (!this.log.lease.isHeld()) return undefined
    const { wanted } = this.options
    for (let payload = this.step(); payload !== undefined; payload = this.step()) {
      if (wanted === undefined || isWanted(payload, wanted)) return payload
      // It is passed over only now that it is come to, since a stream may leave before.
      this.acknowledgeInHand()
    }
    return undefined
  }

  private step(): Payload | undefined {
    const again = this.returned.length > 0 ? this.returned.shift() : undefined
    if (again !== undefined) {
      this.putInHand(again.hold, again.index, timesBegun(again))
      return again.payload
    }
    for (;;) {
      if (this.reading === undefined) {
        const segment = this.shift()
        if (segment === undefined) return undefined
        this.reading = new Hold(segment)
        this.index = 0
      }
      const { reading } = this
      const payload = reading.segment.payloads[this.index]
      if (payload !== undefined) {
        this.putInHand(reading, this.index++, 0)
        return payload
      }
      this.reading = undefined
    }
  }

  private putInHand(hold: Hold, index: number, begunBefore: number): void {
    this.isInHand = true
    this.inHand = hold
    this.inHandIndex = index
    this.inHandBegunBefore = begunBefore
    // For how long a payload is in hand is told of handlers only.
    if (this.options.acknowledges) this.inHandSince = this.log.now()
  }

  /** True where the payload in hand was not handed out before, by this process or another. */
  get isFirstTime(): boolean {
    return this.inHandBegunBefore === 0 && this.inHand?.segment.handedOutBefore === 0
  }

  /** The payload that `next` has handed out, while it is not acknowledged. */
  payloadInHand(): Held | undefined {
    const { inHand: hold, inHandBegunBefore: begunBefore, inHandIndex: index, inHandSince: since } = this
    const payload = this.isInHand ? hold?.segment.payloads[index] : undefined
    if (hold === undefined || payload === undefined) return undefined
    return { payload, hold, index, begunBefore, since, hasBegun: this.options.acknowledges }
  }

  /** The payload that `next` has handed out is handled. */
  acknowledgeInHand(): void {
    if (!this.isInHand || this.inHand === undefined) return
    this.isInHand = false
    this.settle(this.inHand, this.inHandIndex)
  }

  /** A payload of `take` is handled. */
  acknowledge(held: Held): void {
    if (this.held.delete(held.payload)) this.settle(held.hold, held.index)
  }

  /** A stream has handed a payload on and is asked for another. */
  comeBack(): void {
    if (this.isLoop) return
    this.isLoop = true
    this.log.tellWanted()
  }

  /** A payload of `take` is not handled: it is handed out again, before those that come after it. */
  reject(held: Held): void {
    if (!this.held.delete(held.payload)) return
    this.returned.push(held)
    this.arrival.openUnsafe()
  }

  private settle(hold: Hold, index: number): void {
    const { segment } = hold
    const acknowledged = hold.acknowledge(index)
    this.log.onSettled()
    if (hold.isDone) return this.log.release(segment)
    if (acknowledged <= index || segment.holders > 1 || segment.markHolds > 0) return
    const sequence = segment.payloads[acknowledged - 1]?.s
    if (typeof sequence === "number") segment.mark.progress(sequence)
  }

  /** The payload that was handed out longest ago and is not acknowledged, where payloads have to be. */
  oldest(): Held | undefined {
    if (!this.options.acknowledges) return undefined
    const [oldest] = this.held.values()
    return oldest ?? this.payloadInHand()
  }

  /** Ends the subscription. Acknowledgements that come later count for nothing. */
  close(): Rest & { readonly unread: Array<Segment> } {
    const inHand = this.payloadInHand()
    const { reading } = this
    const returned = [
      ...this.held.values(),
      ...(inHand === undefined ? [] : [inHand]),
      ...this.returned,
      ...(reading === undefined ? [] : heldFrom(reading, this.index, this.inHandSince))
    ].toSorted(inOrder)
    const unread = this.queue.slice(this.unread)
    this.isInHand = false
    this.reading = undefined
    this.returned = []
    this.queue = []
    this.unread = 0
    this.held.clear()
    return { returned, unread }
  }
}

/** The payloads of a segment from a place on, none begun with. */
const heldFrom = (hold: Hold, from: number, since: number): Array<Held> => {
  const held: Array<Held> = []
  for (let index = from; index < hold.segment.payloads.length; index++) {
    const payload = hold.segment.payloads[index]
    if (payload !== undefined) held.push({ payload, index, hold, since, begunBefore: 0, hasBegun: false })
  }
  return held
}

/** Count of the times that this process has begun with a payload. */
const timesBegun = ({ begunBefore, hasBegun }: Held): number => begunBefore + (hasBegun ? 1 : 0)

/** The order of the log. */
const inOrder = (one: Held, other: Held): number =>
  one.hold.segment.index - other.hold.segment.index || one.index - other.index
