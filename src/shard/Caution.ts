/**
 * Caution after a process has died with payloads in hand: how far this one may begin with payloads, as far as the store knows.
 *
 * The next process is to know what may have killed this one. So before a payload is begun with that lies beyond what the store
 * says, the store is told of more: some at first, then more and more. Once the mark that is stored has moved, nothing of this is
 * of use any more, so a process that handles one payload after the other writes it once or twice.
 */

/** Sequences that are begun with before the store is told again, at first and at most. */
const first = 32
const most = 1024

/** The caution of one process with a session that it has taken over. */
export class Caution {
  /** The sequence up to which the process before may have begun with payloads. Infinite where it did not say. */
  readonly begunBefore: number
  private readonly start: number
  private step = first
  private reserved: number
  private isOver = false

  constructor(start: number, begunBefore: number | undefined) {
    this.start = start
    this.begunBefore = begunBefore ?? Infinity
    this.reserved = start + first
  }

  /** The sequence up to which this process begins with payloads, for the store. */
  get begun(): number {
    return this.reserved
  }

  /** The store has the session at this sequence. */
  onStored(sequence: number): void {
    if (sequence !== this.start) this.isOver = true
  }

  /** Nothing has been stored since the process before died. */
  get isInForce(): boolean {
    return !this.isOver
  }

  /**
   * Whether a payload may be begun with. Otherwise the session is to be written first: once, since a store that is away is no
   * reason to handle nothing.
   */
  mayBegin(sequence: number): boolean {
    if (this.isOver || sequence <= this.reserved) return true
    this.step = Math.min(2 * this.step, most)
    this.reserved = sequence + this.step
    return false
  }
}
