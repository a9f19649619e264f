/**
 * A partition that a consumer has the lease of: how far it is read, and what of it is in hand.
 */
import type { MarkSegment } from "../shard/LowWaterMark.ts"
import type { LeasedPartition } from "./RelayBroker.ts"
import type { EntryKey } from "./RelayRecord.ts"

/** Number of acknowledged entries that are remembered. */
const remembered = 256

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
  /** Ids of the entries that are taken and not acknowledged at the broker, by their positions. */
  private readonly ids = new Map<string, string>()
  /** The same of the last ones that are acknowledged. */
  private readonly acknowledged = new Map<string, string>()
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

  /** Count of the entries that are taken and not acknowledged at the broker. */
  get inHand(): number {
    return this.ids.size
  }

  /** State of an entry that the broker repeats; undefined for a new one. */
  stateOf(entry: EntryKey): "inHand" | "acknowledged" | undefined {
    if (this.has(entry)) return "inHand"
    return this.acknowledged.get(entry.position) === entry.id ? "acknowledged" : undefined
  }

  /** Takes an entry in hand once more, which is acknowledged and to be so again. */
  takeAgain({ id, position }: EntryKey): void {
    this.acknowledged.delete(position)
    this.ids.set(position, id)
  }

  /** Takes a new entry in hand. Count of holders that may have handed it out before. */
  take({ id, position }: EntryKey): number {
    this.ids.set(position, id)
    // Not before: what is repeated comes in front of what is new.
    for (const oldest of this.acknowledged.keys()) {
      if (this.acknowledged.size <= remembered) break
      this.acknowledged.delete(oldest)
    }
    if (this.last === undefined) return 0
    if (this.last === position) this.last = undefined
    return this.losses
  }

  /** True where this entry is in hand, and not another one that the broker has in its place by now. */
  has({ id, position }: EntryKey): boolean {
    return this.ids.get(position) === id
  }

  /** An entry is acknowledged at the broker. */
  settle(entry: EntryKey): void {
    this.hasProgress = true
    if (!this.has(entry)) return
    this.ids.delete(entry.position)
    this.acknowledged.set(entry.position, entry.id)
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
