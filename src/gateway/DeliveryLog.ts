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
import type { Payload } from "../schema/Payload.ts"
import type { MarkSegment } from "../shard/LowWaterMark.ts"
import type { ShardBuffer } from "../shard/ShardHost.ts"
import type { Lease } from "../services/ShardLease.ts"
import { type Held, type Rest, type Segment, segmentsOf, shareOf } from "./Segment.ts"
import { Subscription, type SubscriptionHost, type SubscriptionOptions } from "./Subscription.ts"
import { covers, isWanted, union, type Wanted } from "./Wanted.ts"

/** Payloads that wait for the next subscriber. */
interface Backlog {
  readonly returned: ReadonlyArray<Held>
  unread: Array<Segment>
  /** The one that left it, which comes back for it if it can. */
  readonly left: Pick<SubscriptionOptions, "owner" | "wanted">
  /** Names of what is added to it while it waits; undefined for everything. */
  collects: Wanted
  /** Names of what is added to it once others listen; undefined where the one that left it had enough. */
  readonly owed: { readonly collects: Wanted } | undefined
}

const nothing: Wanted = new Set()

const nothingLeft: Rest = { returned: [], unread: [] }

/** Options of a log. */
export interface LogOptions {
  /** Capacity in payloads; `capacityBytes` is that in bytes. */
  readonly capacity: number
  readonly capacityBytes: number
  /** Milliseconds of monotonic time. */
  readonly now: () => number
  /** Lease of the shards whose payloads these are: without it nothing is handed out. */
  readonly lease: Lease
  /** Grace after a subscriber has left while others listen: its payloads are kept for the next one, or the mark before them. */
  readonly grace: Duration.Duration
  /** Runs an effect beside the subscribers. */
  readonly fork: (effect: Effect.Effect<void>) => void
  /** A subscriber failed, and nobody took over its payloads. */
  readonly onAbandoned: (payloads: number) => Effect.Effect<void>
  /** The dispatches that are wanted have changed; undefined for all. `passesOn` is true where they are only passed on. */
  readonly onWanted: (wanted: Wanted, passesOn: boolean) => void
}

/**
 * Payloads that wait before readers give way to subscribers. In a turn of the event loop a socket brings more than a subscriber
 * with an effect for each payload gets done, and payloads that wait for some turns are expensive to collect. Measured: a third
 * of the time of `Stream.runForEach`, and twice the memory.
 */
const readAhead = 256

/** The end of a log that the program itself closed. */
export const interrupted: Exit.Exit<never, never> = Exit.failCause(Cause.interrupt())

/** The log. */
export class DeliveryLog implements ShardBuffer, SubscriptionHost {
  private readonly options: LogOptions
  private readonly subscriptions = new Set<Subscription>()
  private segments = 0
  private waiting = 0
  private bytes = 0
  /** Counts acknowledgements. */
  private settled = 0
  private ended: Exit.Exit<never, GatewayError> | undefined
  /** Open once the log has ended. */
  private readonly over = Latch.makeUnsafe(false)
  private readonly space = Latch.makeUnsafe(true)
  /** False while a subscriber leaves. */
  private isSettled = true
  /** Backlogs that the next subscriber may take over, oldest first. Before the first subscriber there is one of everything. */
  private readonly backlogs = new Set<Backlog>([
    { returned: [], unread: [], left: { owner: undefined, wanted: undefined }, collects: undefined, owed: undefined }
  ])

  constructor(options: LogOptions) {
    this.options = options
  }

  /** Capacity in payloads. */
  get capacity(): number {
    return this.options.capacity
  }

  /** Lease of the shards whose payloads these are. */
  get lease(): Lease {
    return this.options.lease
  }

  append(payloads: ReadonlyArray<Payload>, size: number, mark: MarkSegment, handedOutBefore: number): void {
    const collecting: Array<Backlog> = []
    for (const backlog of this.backlogs) if (hasWanted(payloads, backlog.collects)) collecting.push(backlog)
    const holders = this.subscriptions.size + collecting.length
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
      isReleased: false
    }
    this.waiting += payloads.length
    this.bytes += size
    if (this.isFull()) this.space.closeUnsafe()
    for (const backlog of collecting) backlog.unread.push(segment)
    const subscriptions = [...this.subscriptions]
    for (const subscription of subscriptions) subscription.offer(segment)
    // A subscriber that is woken runs at once: it may leave, and another come, before the next one is told.
    for (const subscription of subscriptions) subscription.wake()
  }

  readonly isFull = (): boolean => this.waiting >= this.options.capacity || this.bytes >= this.options.capacityBytes

  readonly room: Effect.Effect<void> = Effect.suspend(() =>
    this.isFull() ? Effect.flatMap(this.space.await, () => this.room) : Effect.void
  )

  readonly isBehind = (): boolean => this.waiting > readAhead && this.subscriptions.size > 0

  readonly giveWay: Effect.Effect<void> = Effect.suspend(() => {
    const before = this.settled
    return Effect.flatMap(Effect.yieldNow, () => {
      const areAtWork = this.settled !== before
      return areAtWork && this.isBehind() ? this.giveWay : Effect.void
    })
  })

  readonly size = () => ({
    payloads: this.waiting,
    subscribers: this.subscriptions.size,
    fill: Math.max(this.waiting / this.options.capacity, this.bytes / this.options.capacityBytes)
  })

  /** Ends every subscription, now and later, once it has read what the log holds. */
  end(exit: Exit.Exit<never, GatewayError>): void {
    this.ended ??= exit
    this.over.openUnsafe()
    for (const subscription of this.subscriptions) subscription.wake()
  }

  /** Waits for the lease. Fails with the end of the log, since a lease that was lost for good does not come back. */
  readonly held: Effect.Effect<void, GatewayError> = Effect.suspend(() =>
    Effect.raceFirst(
      this.lease.held,
      Effect.flatMap(this.over.await, () => this.ended ?? Effect.never)
    )
  )

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
        const rest = this.takeOver(options)
        const [first] = segmentsOf(rest)
        const subscription = new Subscription(this, options, rest, first?.index ?? this.segments)
        this.subscriptions.add(subscription)
        this.tellWanted()
        return subscription
      }),
      (subscription, exit) => Effect.sync(() => this.leave(subscription, exit))
    )
  }

  /**
   * Takes over the rest of the same program, or else the oldest that has nothing which the subscriber would pass over. One
   * that is the only subscriber has what came since the last one left, too.
   */
  private takeOver({ owner, wanted }: SubscriptionOptions): Rest {
    const all = [...this.backlogs]
    const own =
      all.find(({ left }) => owner !== undefined && left.owner === owner) ??
      all.find(({ left }) => left.wanted === wanted) ??
      all.find(({ left }) => covers(wanted, left.wanted))
    if (own !== undefined) this.backlogs.delete(own)
    if (this.subscriptions.size > 0) return own ?? nothingLeft
    const rest = own ?? this.shareOfAll(all)
    for (const backlog of this.backlogs) this.narrow(backlog)
    return rest
  }

  /** All that came since the last subscriber left; that one is owed what it wanted nevertheless. */
  private shareOfAll(backlogs: ReadonlyArray<Backlog>): Rest {
    const all = backlogs.find(({ collects }) => collects === undefined)
    if (all === undefined) return nothingLeft
    if (all.owed === undefined) {
      this.backlogs.delete(all)
      return all
    }
    const share = { returned: shareOf(all.returned, all.left.wanted), unread: [...all.unread] }
    for (const segment of segmentsOf(share)) segment.holders++
    return share
  }

  /** Others listen from now on: keeps of a backlog what its program is owed, and adds no more to it than that. */
  private narrow(backlog: Backlog): void {
    const { left, owed, unread } = backlog
    if (owed === undefined) {
      this.backlogs.delete(backlog)
      for (const segment of segmentsOf(backlog)) this.release(segment)
      return
    }
    backlog.collects = owed.collects
    backlog.unread = []
    for (const segment of unread) {
      if (hasWanted(segment.payloads, left.wanted)) backlog.unread.push(segment)
      else this.release(segment)
    }
  }

  private leave(subscription: Subscription, exit: Exit.Exit<unknown, unknown>): void {
    // A reader that waits for room runs at once when there is some: not before it is settled for whom its payloads are.
    this.isSettled = false
    this.handOver(subscription, exit)
    this.isSettled = true
    this.makeRoom()
    this.tellWanted()
  }

  private handOver(subscription: Subscription, exit: Exit.Exit<unknown, unknown>): void {
    this.subscriptions.delete(subscription)
    // It has had enough: the last payload that it was handed is handled, too.
    if (Exit.isSuccess(exit)) subscription.acknowledgeInHand()
    const { acknowledges, wanted } = subscription.options
    const rest = subscription.close()
    const isInterrupted = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
    const hasFailed = Exit.isFailure(exit) && !isInterrupted
    // The failure of a program interrupts what it reads from, too.
    const isUnhandled = hasFailed || (acknowledges && (isInterrupted || rest.returned.length > 0))
    const owed = isUnhandled ? { collects: wanted } : isInterrupted ? { collects: nothing } : undefined
    const backlog = { ...rest, left: subscription.options, collects: undefined, owed }
    if (this.subscriptions.size === 0) this.keep(backlog)
    else if (isInterrupted && !isUnhandled && this.isHeard(rest, wanted)) this.holdMark(rest)
    else {
      this.narrow(backlog)
      if (owed !== undefined) this.keep(backlog)
    }
  }

  /** Whether others were there when the first payload of a rest came, and want what it wants. */
  private isHeard(rest: Rest, wanted: Wanted): boolean {
    const [first] = segmentsOf(rest)
    if (first === undefined) return true
    const names = new Set<string>()
    for (const { from, options } of this.subscriptions) {
      if (from > first.index) continue
      if (options.wanted === undefined) return true
      for (const name of options.wanted) names.add(name)
    }
    return covers(names, wanted)
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
      for (const payload of segment.payloads) if (isWanted(payload, backlog.left.wanted)) payloads++
      this.release(segment)
    }
    this.tellWanted()
    return payloads === 0 ? Effect.void : this.options.onAbandoned(payloads)
  }

  /**
   * Others have these payloads, so they need not be kept; but a program that is being stopped interrupts its subscribers one
   * after the other, and what one of them had not handled is to come again after the restart.
   */
  private holdMark(rest: Rest): void {
    const held = [...segmentsOf(rest)]
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
    this.makeRoom()
  }

  private makeRoom(): void {
    if (this.isSettled && !this.isFull()) this.space.openUnsafe()
  }

  onSettled(): void {
    this.settled++
  }

  now(): number {
    return this.options.now()
  }

  /** A subscription has shown what it wants. */
  tellWanted(): void {
    let all: Wanted = nothing
    let passesOn = this.subscriptions.size > 0
    for (const { narrows, options } of this.subscriptions) {
      all = union(all, narrows)
      if (options.passesOn !== true) passesOn = false
    }
    for (const { collects } of this.backlogs) all = union(all, collects)
    this.options.onWanted(this.subscriptions.size === 0 ? undefined : all, passesOn)
  }
}

/** Whether there is something wanted among payloads. */
const hasWanted = (payloads: ReadonlyArray<Payload>, wanted: Wanted): boolean =>
  wanted === undefined || payloads.some((payload) => isWanted(payload, wanted))

/** The mark moves over a segment that all have acknowledged. */
const complete = (segment: Segment): void => {
  if (segment.isReleased && segment.markHolds === 0) segment.mark.complete()
}
