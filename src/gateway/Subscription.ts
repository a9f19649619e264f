/**
 * A subscriber's place in the log of deliveries: what it has yet to read, and what it was handed and has not acknowledged.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import type { GatewayError } from "../schema/GatewayError.ts"
import type { Payload } from "../schema/Payload.ts"
import type { Lease } from "../services/ShardLease.ts"
import { type Held, heldFrom, Hold, inOrder, type Rest, type Segment, timesBegun } from "./Segment.ts"
import { isWanted, type Wanted } from "./Wanted.ts"

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
  /** True where the payloads are only passed on: their data need not be parsed. */
  readonly passesOn?: boolean | undefined
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
  /** Counts the payloads that were put in hand. */
  private handed = 0
  /** The last of them that was looked at, and when. */
  private noted = 0
  private notedAt = 0
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
    this.note()
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
    const held = this.poll()
    return held.length > 0 ? Effect.succeed(held) : Effect.flatMap(this.news, () => this.take)
  })

  /** The payloads that `take` would give, none where it would wait. */
  poll(): ReadonlyArray<Held> {
    if (!this.log.lease.isHeld()) return []
    const since = this.log.now()
    if (this.returned.length > 0) {
      const again: Array<Held> = []
      for (const held of this.returned) {
        if (isValid(held)) again.push({ ...held, begunBefore: timesBegun(held), hasBegun: false, since })
        else this.settle(held.hold, held.index)
      }
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
    let segment = this.shiftAny()
    while (segment?.mark.isVoid === true) {
      this.log.release(segment)
      segment = this.shiftAny()
    }
    return segment
  }

  private shiftAny(): Segment | undefined {
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
    if (again !== undefined && !isValid(again)) {
      this.settle(again.hold, again.index)
      return this.step()
    }
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
      const { segment } = reading
      const payload = segment.payloads[this.index]
      if (payload !== undefined && segment.mark.isVoid) {
        // Another process has the rest of it.
        this.reading = undefined
        this.log.release(segment)
        continue
      }
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
    this.handed++
    if (index === 0 || begunBefore > 0) this.note()
  }

  /**
   * Notes since when at the latest the payload has been in hand: at the beginning of a segment, when another one comes, and when
   * somebody asks. Measured: a reading of the clock for each payload is a tenth of what the library adds to `JSON.parse`.
   */
  private note(): void {
    if (!this.options.acknowledges || this.noted === this.handed || !this.isInHand) return
    this.noted = this.handed
    this.notedAt = this.log.now()
  }

  /** True where the payload in hand was not handed out before, by this process or another, and is begun with without more ado. */
  get isFirstTime(): boolean {
    const segment = this.inHand?.segment
    return this.inHandBegunBefore === 0 && segment?.handedOutBefore === 0 && segment.mark.caution?.isInForce !== true
  }

  /** The payload that `next` has handed out, while it is not acknowledged. */
  payloadInHand(): Held | undefined {
    this.note()
    const { inHand: hold, inHandBegunBefore: begunBefore, inHandIndex: index, notedAt: since } = this
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
      ...(reading === undefined ? [] : heldFrom(reading, this.index, this.notedAt))
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

/** A payload that is this process's to hand out. */
const isValid = ({ hold }: Held): boolean => !hold.segment.mark.isVoid
