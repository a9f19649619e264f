/**
 * From the shards to the subscribers: one bounded log of payloads, which every subscriber reads at its own pace and
 * acknowledges payload by payload.
 *
 * A payload is handled when every subscriber that was listening when it came has acknowledged it; then the low-water mark of
 * its session may move over it. Without a subscriber payloads wait for the next one, so nothing is lost before the first, nor
 * between two. A subscriber that fails leaves the rest to the next one, the failing payload first.
 */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import type { GatewayError } from "../schema/GatewayError.ts"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import type { Payload } from "../schema/Payload.ts"
import type { MarkSegment } from "../shard/LowWaterMark.ts"
import type { ShardBuffer } from "../shard/ShardHost.ts"

/** The payloads of one read, in the log until all who hold it have acknowledged all of them. */
interface Segment {
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
  next: Segment | undefined
}

/** A payload that a subscription was handed and has not acknowledged. */
export interface Held {
  readonly payload: Payload
  readonly attempts: number
  /** When it was handed out, in milliseconds of monotonic time. */
  readonly since: number
  readonly hold: Hold
  readonly index: number
}

/** The share of one subscription in a segment. */
class Hold {
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

/** The dispatches that a subscription wants; undefined for every payload. */
export type Wanted = ReadonlySet<string> | undefined

/** Options of a subscription. */
export interface SubscriptionOptions {
  readonly wanted: Wanted
  /**
   * True where each payload is acknowledged by itself, false where asking for the next one acknowledges it. Payloads that
   * were not acknowledged are not given up when the subscription ends.
   */
  readonly acknowledges: boolean
}

/** Payloads that wait for the next subscriber. */
interface Backlog {
  /** Payloads that were handed out and are not acknowledged, oldest first. */
  readonly returned: ReadonlyArray<Held>
  /** The first segment that was not handed out. */
  next: Segment | undefined
  readonly wanted: Wanted
}

/** Options of a log. */
export interface LogOptions {
  /** Capacity in payloads; `capacityBytes` is that in bytes. */
  readonly capacity: number
  readonly capacityBytes: number
  /** Milliseconds of monotonic time. */
  readonly now: () => number
  /** Grace after a subscriber has left while others listen: its payloads are kept for the next one, or the mark before them. */
  readonly grace: Duration.Duration
  /** Runs an effect beside the subscribers. */
  readonly fork: (effect: Effect.Effect<void>) => void
  /** A subscriber failed, and nobody took over its payloads. */
  readonly onAbandoned: (payloads: number) => Effect.Effect<void>
  /** The dispatches that are wanted have changed; undefined for all. */
  readonly onWanted: (wanted: Wanted) => void
}

/** The end of a log that the program itself closed. */
export const interrupted: Exit.Exit<never, never> = Exit.failCause(Cause.interrupt())

/** The log. */
export class DeliveryLog implements ShardBuffer {
  private readonly options: LogOptions
  private readonly subscriptions = new Set<Subscription>()
  /** The newest segment. */
  private tail: Segment | undefined
  private segments = 0
  private waiting = 0
  private bytes = 0
  private ended: Exit.Exit<never, GatewayError> | undefined
  private readonly space = Latch.makeUnsafe(true)
  /** Backlogs that the next subscriber may take over, oldest first. Before the first subscriber there is one of everything. */
  private readonly backlogs = new Set<Backlog>([{ returned: [], next: undefined, wanted: undefined }])

  constructor(options: LogOptions) {
    this.options = options
  }

  /** Capacity in payloads. */
  get capacity(): number {
    return this.options.capacity
  }

  append(payloads: ReadonlyArray<Payload>, size: number, mark: MarkSegment, handedOutBefore: number): void {
    const holders = this.subscriptions.size + this.backlogs.size
    if (payloads.length === 0 || holders === 0) {
      mark.complete()
      return
    }
    const segment: Segment = {
      index: this.segments++,
      payloads,
      size,
      mark,
      handedOutBefore,
      holders,
      markHolds: 0,
      isReleased: false,
      next: undefined
    }
    if (this.tail !== undefined) this.tail.next = segment
    this.tail = segment
    this.waiting += payloads.length
    this.bytes += size
    if (this.isFull()) this.space.closeUnsafe()
    for (const backlog of this.backlogs) backlog.next ??= segment
    for (const subscription of this.subscriptions) subscription.offer(segment)
  }

  readonly isFull = (): boolean => this.waiting >= this.options.capacity || this.bytes >= this.options.capacityBytes

  readonly room: Effect.Effect<void> = Effect.suspend(() =>
    this.isFull() ? Effect.flatMap(this.space.await, () => this.room) : Effect.void
  )

  readonly size = () => ({
    payloads: this.waiting,
    subscribers: this.subscriptions.size,
    fill: Math.max(this.waiting / this.options.capacity, this.bytes / this.options.capacityBytes)
  })

  /** Ends every subscription, now and later, once it has read what the log holds. */
  end(exit: Exit.Exit<never, GatewayError>): void {
    this.ended ??= exit
    for (const subscription of this.subscriptions) subscription.wake()
  }

  /** The end of the log, once it has ended. */
  get exit(): Exit.Exit<never, GatewayError> | undefined {
    return this.ended
  }

  /** The payload that was handed out longest ago and is not acknowledged, over all subscriptions that have to. */
  oldest(): Held | undefined {
    let oldest: Held | undefined
    for (const subscription of this.subscriptions) {
      const held = subscription.oldest()
      if (held !== undefined && (oldest === undefined || held.since < oldest.since)) oldest = held
    }
    return oldest
  }

  /**
   * Subscribes until the scope closes: to everything from now on; for the first subscriber, and one that finds no other, from
   * where the log begins; for one that comes after one that has failed, from where that one was.
   */
  subscribe(options: SubscriptionOptions): Effect.Effect<Subscription, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => {
        const backlog = this.takeOver(options.wanted)
        const [first] = segmentsOf(backlog)
        const subscription = new Subscription(this, options, backlog, first?.index ?? this.segments)
        this.subscriptions.add(subscription)
        this.tellWanted()
        return subscription
      }),
      (subscription, exit) => Effect.sync(() => this.leave(subscription, exit))
    )
  }

  /** Takes over the oldest backlog that has nothing which the subscriber would pass over. */
  private takeOver(wanted: Wanted): Backlog {
    for (const backlog of this.backlogs) {
      if (this.subscriptions.size > 0 && !covers(wanted, backlog.wanted)) continue
      this.backlogs.delete(backlog)
      return backlog
    }
    return { returned: [], next: undefined, wanted }
  }

  private leave(subscription: Subscription, exit: Exit.Exit<unknown, unknown>): void {
    this.subscriptions.delete(subscription)
    // It has had enough: the last payload that it was handed is handled, too.
    if (Exit.isSuccess(exit)) subscription.acknowledgeInHand()
    const backlog = subscription.close()
    const isInterrupted = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
    const hasFailed = Exit.isFailure(exit) && !isInterrupted
    const isUnhandled = isInterrupted || subscription.options.acknowledges
    if (this.subscriptions.size === 0 || hasFailed || (isUnhandled && !this.isHeard(backlog))) this.keep(backlog)
    else if (isUnhandled) this.holdMark(backlog)
    else for (const segment of segmentsOf(backlog)) this.release(segment)
    this.tellWanted()
  }

  /** Whether a subscriber was there when the first payload of a backlog came. */
  private isHeard(backlog: Backlog): boolean {
    const [first] = segmentsOf(backlog)
    return first === undefined || [...this.subscriptions].some(({ from }) => from <= first.index)
  }

  /** Keeps a backlog for the next subscriber: for as long as it takes, or while others listen for a while. */
  private keep(backlog: Backlog): void {
    this.backlogs.add(backlog)
    this.options.fork(
      Effect.sleep(this.options.grace).pipe(
        Effect.repeat({ while: () => this.backlogs.has(backlog) && this.subscriptions.size === 0 }),
        Effect.andThen(Effect.suspend(() => this.abandon(backlog)))
      )
    )
  }

  private abandon(backlog: Backlog): Effect.Effect<void> {
    if (!this.backlogs.delete(backlog)) return Effect.void
    let payloads = 0
    for (const segment of segmentsOf(backlog)) {
      payloads += segment.payloads.length
      this.release(segment)
    }
    this.tellWanted()
    return payloads === 0 ? Effect.void : this.options.onAbandoned(payloads)
  }

  /**
   * Others have these payloads, so they need not be kept; but a program that is being stopped interrupts its subscribers one
   * after the other, and what one of them had not handled is to come again after the restart.
   */
  private holdMark(backlog: Backlog): void {
    const held = [...segmentsOf(backlog)]
    if (held.length === 0) return
    for (const segment of held) {
      segment.markHolds++
      this.release(segment)
    }
    this.options.fork(
      Effect.andThen(
        Effect.sleep(this.options.grace),
        Effect.sync(() => {
          for (const segment of held) {
            segment.markHolds--
            complete(segment)
          }
        })
      )
    )
  }

  /** A subscription has acknowledged all of a segment. */
  release(segment: Segment): void {
    segment.holders--
    if (segment.holders > 0) return
    segment.isReleased = true
    this.waiting -= segment.payloads.length
    this.bytes -= segment.size
    complete(segment)
    if (!this.isFull()) this.space.openUnsafe()
  }

  now(): number {
    return this.options.now()
  }

  /** A subscription has shown what it wants. */
  tellWanted(): void {
    const all = new Set<string>()
    for (const subscription of this.subscriptions) {
      if (subscription.narrows === undefined) return this.options.onWanted(undefined)
      for (const name of subscription.narrows) all.add(name)
    }
    this.options.onWanted(this.subscriptions.size === 0 || this.backlogs.size > 0 ? undefined : all)
  }
}

/** The mark moves over a segment that all have acknowledged. */
const complete = (segment: Segment): void => {
  if (segment.isReleased && segment.markHolds === 0) segment.mark.complete()
}

/** Set inclusion: true where a subscriber wants everything that the other one wanted. */
const covers = (wanted: Wanted, other: Wanted): boolean =>
  wanted === undefined || (other !== undefined && [...other].every((name) => wanted.has(name)))

/** The segments that a backlog holds, each once. */
function* segmentsOf({ next, returned }: Backlog): Iterable<Segment> {
  let last: Segment | undefined
  for (const { hold } of returned) {
    if (hold.segment !== last) yield hold.segment
    last = hold.segment
  }
  for (let segment = next; segment !== undefined; segment = segment.next) yield segment
}

/** A reader of the log. */
export class Subscription {
  readonly options: SubscriptionOptions
  /** The first segment that is for it. */
  readonly from: number
  private readonly log: DeliveryLog
  /** The names that were wanted of the backlog that it took over, until it has caught up with it. */
  private inherited: { readonly wanted: Wanted } | undefined
  private returned: Array<Held>
  private next: Segment | undefined
  /** Handed out and not acknowledged, oldest first. */
  private readonly held = new Map<Payload, Held>()
  /** The payloads that a stream was handed, of which so many, from the beginning, are acknowledged. */
  private batch: ReadonlyArray<Held> = []
  private acknowledged = 0
  /** The payload that a stream has handed on, which asking for the next one acknowledges. */
  private inHand: Held | undefined
  private isLoop = false
  private readonly arrival = Latch.makeUnsafe(false)

  constructor(log: DeliveryLog, options: SubscriptionOptions, backlog: Backlog, from: number) {
    this.log = log
    this.from = from
    this.options = options
    this.inherited = { wanted: backlog.wanted }
    this.returned = [...backlog.returned]
    this.next = backlog.next
  }

  /**
   * The names to which decoding may be narrowed; undefined for everything. A subscriber that has come back for more is a loop;
   * one that takes a single payload and leaves has the rest decoded for the next one.
   */
  get narrows(): Wanted {
    return this.options.acknowledges || this.isLoop ? this.options.wanted : undefined
  }

  /** A segment came. */
  offer(segment: Segment): void {
    this.next ??= segment
    this.arrival.openUnsafe()
  }

  /** The log has ended. */
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
      const again = this.returned.map((held) => ({ ...held, attempts: held.attempts + 1, since }))
      this.returned = []
      return this.handOut(again)
    }
    for (let segment = this.next; segment !== undefined; segment = this.next) {
      this.next = segment.next
      const hold = new Hold(segment)
      const held: Array<Held> = []
      for (const [index, payload] of segment.payloads.entries()) {
        held.push({ payload, index, hold, since, attempts: segment.handedOutBefore + 1 })
      }
      const wanted = this.handOut(held)
      if (wanted.length > 0) return wanted
    }
    this.inherited = undefined
    return []
  }

  private handOut(candidates: ReadonlyArray<Held>): ReadonlyArray<Held> {
    const { acknowledges, wanted } = this.options
    if (!acknowledges) {
      this.batch = candidates
      this.acknowledged = 0
      return candidates
    }
    // What it does not want is settled below, so it has caught up.
    if (this.next === undefined) this.inherited = undefined
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
  close(): Backlog {
    const returned = [...this.held.values(), ...this.batch.slice(this.acknowledged), ...this.returned].toSorted(inOrder)
    this.batch = []
    this.held.clear()
    return { returned, next: this.next, wanted: union(this.options.wanted, this.inherited) }
  }
}

/** The names of either list; undefined is all names. */
const union = (wanted: Wanted, other: { readonly wanted: Wanted } | undefined): Wanted => {
  if (other === undefined || wanted === undefined) return wanted
  return other.wanted === undefined ? undefined : new Set([...wanted, ...other.wanted])
}

const inOrder = (one: Held, other: Held): number =>
  one.hold === other.hold ? one.index - other.index : one.since - other.since

/** True for a dispatch by one of these names. */
export const isWanted = ({ op, t }: Payload, names: ReadonlySet<string>): boolean =>
  op === GatewayOpcode.Dispatch && t !== null && names.has(t)
