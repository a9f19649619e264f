/**
 * Count of a shard's guilds: those that READY names, and those joined and left since.
 *
 * A GUILD_CREATE that the program does not want is counted without being parsed, so one that ends an outage is told from a
 * joined guild only by the GUILD_DELETE before it: the count is of the guilds that are available, and no fewer than READY's
 * less those that were left.
 */
import * as Predicate from "effect/Predicate"
import type { Payload } from "../schema/Payload.ts"

/** The count of one shard. */
export class GuildCount {
  private named = 0
  private available = 0
  private left = 0

  /** Number of guilds. */
  get value(): number {
    return Math.max(this.named - this.left, this.available)
  }

  /** A session is taken over that began with so many guilds. */
  restore(guilds: number): void {
    this.named = guilds
    this.available = guilds
    this.left = 0
  }

  /** READY came: a GUILD_CREATE for each of its guilds follows. */
  onReady(d: unknown): void {
    this.named = Predicate.hasProperty(d, "guilds") && Array.isArray(d.guilds) ? d.guilds.length : 0
    this.available = 0
    this.left = 0
  }

  /** So many GUILD_CREATEs came that were not parsed. */
  onUnseen(guilds: number): void {
    this.available += guilds
  }

  /** An event came. */
  onEvent({ d, t }: Payload): void {
    if (t === "GUILD_CREATE") this.available++
    if (t !== "GUILD_DELETE") return
    this.available--
    if (!(Predicate.hasProperty(d, "unavailable") && d.unavailable === true)) this.left++
  }
}
