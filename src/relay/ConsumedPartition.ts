/**
 * A partition that a consumer has the lease of: how far it is read, and what of it is in hand.
 */
import type { MarkSegment } from "../shard/LowWaterMark.ts"
import type { LeasedPartition } from "./RelayBroker.ts"

/** The partition, from its lease on until that is given back or lost. */
export class ConsumedPartition {
  readonly partition: number
  readonly epoch: number
  /** Position after which to read on; undefined for the start. */
  position: string | undefined
  /** It is to be given back: it is read no further. */
  isDraining = false
  /** The lease is lost: what is read and not handed out is not to be. */
  isVoid = false
  /** Entries that are read and not acknowledged at the broker. */
  inHand = 0
  private readonly losses: number
  /** Position of the last entry that holders before may have handed out; undefined once it is behind. */
  private last: string | undefined
  private hasProgress = false

  constructor({ epoch, last, losses, partition }: LeasedPartition) {
    this.partition = partition
    this.epoch = epoch
    this.losses = losses
    this.last = losses === 0 ? undefined : last
  }

  /** Reads an entry. Count of holders that may have handed it out before. */
  read(position: string): number {
    this.position = position
    this.inHand++
    if (this.last === undefined) return 0
    if (this.last === position) this.last = undefined
    return this.losses
  }

  /** An entry is acknowledged at the broker. */
  settle(): void {
    this.inHand--
    this.hasProgress = true
  }

  /** True where none of its entries is acknowledged yet. */
  get isAtStart(): boolean {
    return !this.hasProgress
  }
}

/** Mark of one entry, which is acknowledged at the broker when it is handled. */
export class EntryMark implements MarkSegment {
  private readonly partition: ConsumedPartition
  private readonly onHandled: () => void
  readonly session = undefined
  readonly caution = undefined
  private isComplete = false

  constructor(partition: ConsumedPartition, onHandled: () => void) {
    this.partition = partition
    this.onHandled = onHandled
  }

  get source(): object {
    return this.partition
  }

  get isVoid(): boolean {
    return this.partition.isVoid
  }

  /** There is but one payload, which `complete` tells of. */
  readonly progress = (): void => undefined
  /** Entries that are left out because the lease is lost complete, too, and are not handled. */
  readonly complete = (): void => {
    if (this.isComplete || this.isVoid) return
    this.isComplete = true
    this.onHandled()
  }
  readonly isAtStart = (): boolean => this.partition.isAtStart
}
