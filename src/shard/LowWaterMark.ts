/**
 * Low-water mark of one session: the highest sequence up to which all dispatches are handled, whatever the order in which
 * they are.
 *
 * Each read of the socket is a segment. Handled segments behind one that is not are merged, so that a dispatch that nobody
 * acknowledges costs no memory but its own.
 */
import type { Caution } from "./Caution.ts"

/** A read of the socket, from when it was appended until it is handled. */
export interface MarkSegment {
  /** All of its dispatches up to this sequence are handled. */
  readonly progress: (sequence: number) => void
  /** All of it is handled. */
  readonly complete: () => void
  /** Whether the mark is where it began: at the payload at which the processes before this one ended. */
  readonly isAtStart: () => boolean
  /** Caution after a process that died with payloads in hand; undefined where there was none. */
  readonly caution: Caution | undefined
  /** Source whose payloads are in order under one mark: a session, or a partition of a relay. */
  readonly source: object
  /** Id of the session that it is of; undefined before there is one. */
  readonly session: string | undefined
  /** True where its payloads are not this process's to hand out any more. */
  readonly isVoid: boolean
}

class Segment implements MarkSegment {
  private readonly mark: LowWaterMark
  last: number | null
  partial: number | null = null
  isComplete = false
  before: Segment | undefined
  after: Segment | undefined

  constructor(mark: LowWaterMark, last: number | null) {
    this.mark = mark
    this.last = last
  }

  readonly progress = (sequence: number): void => {
    this.partial = sequence
    if (this.before === undefined) this.mark.advance(sequence)
  }

  readonly complete = (): void => {
    if (this.isComplete) return
    this.isComplete = true
    this.mark.complete(this)
  }

  readonly isAtStart = (): boolean => this.mark.isAtStart

  get caution(): Caution | undefined {
    return this.mark.caution
  }

  get source(): object {
    return this.mark
  }

  get session(): string | undefined {
    return this.mark.session
  }

  get isVoid(): boolean {
    return false
  }
}

/** The mark of one session. */
export class LowWaterMark {
  readonly caution: Caution | undefined
  private readonly onChange: () => void
  /** Id of the session; undefined before there is one. */
  readonly session: string | undefined
  private readonly start: number | null
  private current: number | null
  private head: Segment | undefined
  private tail: Segment | undefined

  /** A mark that begins at a sequence. `onChange` is told when it has moved. */
  constructor(start: number | null, onChange: () => void, session?: string, caution?: Caution) {
    this.session = session
    this.caution = caution
    this.start = start
    this.current = start
    this.onChange = onChange
  }

  /** The sequence up to which all is handled. Null before the first. */
  get value(): number | null {
    return this.current
  }

  /** True where it has not moved. */
  get isAtStart(): boolean {
    return this.current === this.start
  }

  /** True where everything that was appended is handled. */
  get isCaughtUp(): boolean {
    return this.head === undefined
  }

  /** Appends a read whose last sequence this is; null for one without a sequence. */
  append(last: number | null): MarkSegment {
    const segment = new Segment(this, last)
    segment.before = this.tail
    if (this.tail === undefined) this.head = segment
    else this.tail.after = segment
    this.tail = segment
    return segment
  }

  /** Moves the mark forward. */
  advance(sequence: number | null): void {
    if (sequence === null || (this.current !== null && sequence <= this.current)) return
    this.current = sequence
    this.onChange()
  }

  /** A segment is complete: the mark moves over it, or it waits for those before it, merged with its neighbours. */
  complete(segment: Segment): void {
    if (segment.before === undefined) {
      let head: Segment | undefined = segment
      let reached: number | null = null
      while (head !== undefined && head.isComplete) {
        reached = head.last ?? reached
        head = head.after
      }
      this.head = head
      if (head === undefined) this.tail = undefined
      else head.before = undefined
      this.advance(reached)
      if (head !== undefined) this.advance(head.partial)
      return
    }
    if (segment.before.isComplete) this.merge(segment.before, segment)
    else if (segment.after?.isComplete === true) this.merge(segment, segment.after)
  }

  private merge(segment: Segment, next: Segment): void {
    segment.last = next.last ?? segment.last
    segment.after = next.after
    if (next.after === undefined) this.tail = segment
    else next.after.before = segment
    if (segment.after?.isComplete === true) this.merge(segment, segment.after)
  }
}
