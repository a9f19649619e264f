/**
 * Segments of the log of deliveries, and what a subscription holds of them: a payload stays in the log until all who hold it have
 * acknowledged it.
 */
import type { Payload } from "../schema/Payload.ts"
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

/** The payloads of a segment from a place on, none begun with. */
export const heldFrom = (hold: Hold, from: number, since: number): Array<Held> => {
  const held: Array<Held> = []
  for (let index = from; index < hold.segment.payloads.length; index++) {
    const payload = hold.segment.payloads[index]
    if (payload !== undefined) held.push({ payload, index, hold, since, begunBefore: 0, hasBegun: false })
  }
  return held
}

/** Count of the times that this process has begun with a payload. */
export const timesBegun = ({ begunBefore, hasBegun }: Held): number => begunBefore + (hasBegun ? 1 : 0)

/** The order of the log. */
export const inOrder = (one: Held, other: Held): number =>
  one.hold.segment.index - other.hold.segment.index || one.index - other.index
