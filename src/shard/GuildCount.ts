/**
 * Count of a shard's guilds: those that READY names, and those joined and left since.
 *
 * A GUILD_CREATE that the program does not want is counted without being parsed, so one that ends an outage is told from a
 * joined guild only by the GUILD_DELETE before it: the count is of the guilds that are available, and no fewer than READY's
 * less those that were left.
 *
 * It is stored with the session, as it is at the session's sequence: what comes after that is replayed to the next process, which
 * counts it again.
 */
import * as Predicate from "effect/Predicate"
import type { Payload } from "../schema/Payload.ts"
import type { GuildTally } from "../schema/Session.ts"

interface Change extends GuildTally {
  readonly sequence: number
}

/** Changes that wait for the mark. Of more, the oldest count as handled. */
const pendingAtMost = 4096

const none: GuildTally = { known: 0, available: 0 }

const sum = (one: GuildTally, other: GuildTally): GuildTally => ({
  known: one.known + other.known,
  available: one.available + other.available
})

/** The count of one shard. */
export class GuildCount {
  private tally = none
  /** The count at the sequence that was asked for last. */
  private handled = none
  /** Changes after that. */
  private pending: Array<Change> = []

  /** Number of guilds. */
  get value(): number {
    return Math.max(this.tally.known, this.tally.available)
  }

  /** The count at a sequence, which is no earlier than the one that was asked for last. None before READY. */
  at(sequence: number): GuildTally | undefined {
    const rest = this.pending.findIndex((change) => change.sequence > sequence)
    const reached = this.pending.splice(0, rest === -1 ? this.pending.length : rest)
    this.handled = reached.reduce(sum, this.handled)
    return this.handled.known + this.handled.available === 0 ? undefined : this.handled
  }

  /** A session is taken over with this count. */
  restore(tally: GuildTally): void {
    this.tally = tally
    this.handled = tally
    this.pending = []
  }

  /** READY came: a GUILD_CREATE for each of its guilds follows. */
  onReady({ d, s }: Payload): void {
    this.restore(none)
    const known = Predicate.hasProperty(d, "guilds") && Array.isArray(d.guilds) ? d.guilds.length : 0
    this.change({ known, available: 0, sequence: s ?? 0 })
  }

  /** So many GUILD_CREATEs came that were not parsed, the last of them with this sequence at most. */
  onUnseen(guilds: number, sequence: number): void {
    this.change({ known: 0, available: guilds, sequence })
  }

  /** An event came. */
  onEvent({ d, s, t }: Payload): void {
    const sequence = s ?? 0
    if (t === "GUILD_CREATE") this.change({ known: 0, available: 1, sequence })
    if (t !== "GUILD_DELETE") return
    const isOutage = Predicate.hasProperty(d, "unavailable") && d.unavailable === true
    this.change({ known: isOutage ? 0 : -1, available: -1, sequence })
  }

  private change(change: Change): void {
    this.tally = sum(this.tally, change)
    this.pending.push(change)
    if (this.pending.length > 2 * pendingAtMost) this.at(this.pending[pendingAtMost]?.sequence ?? 0)
  }
}
