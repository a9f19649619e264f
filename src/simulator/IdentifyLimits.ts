/**
 * How often a bot may IDENTIFY: once per bucket in 5 seconds, and so many times a day.
 *
 * Source: Discord, "Session Start Limit Object" and "Max Concurrency".
 */
import type { Settings } from "./SimulatorOptions.ts"

const bucketWindow = 5000

/** What the limits say to an IDENTIFY: it is within them, too early for its bucket, or beyond the day's budget. */
export type Verdict = "granted" | "violation" | "overrun"

/** Counts the IDENTIFYs of the bot. */
export class IdentifyLimits {
  private readonly settings: Settings
  private readonly grantedAt = new Map<number, number>()
  private remaining: number
  private resetsAt: number

  constructor(settings: Settings, now: number) {
    this.settings = settings
    this.remaining = settings.identifiesRemaining
    this.resetsAt = now + settings.identifiesResetAfter
  }

  /** Counts an IDENTIFY. Every one takes from the budget, also one that comes too early for its bucket. */
  identify(shard: number, now: number): Verdict {
    this.renew(now)
    if (this.remaining <= 0) return "overrun"
    this.remaining -= 1
    const bucket = shard % this.settings.maxConcurrency
    const last = this.grantedAt.get(bucket)
    if (last !== undefined && now - last < bucketWindow - this.settings.identifyGrace) return "violation"
    this.grantedAt.set(bucket, now)
    return "granted"
  }

  /** As GET /gateway/bot tells it. */
  sessionStartLimit(now: number) {
    this.renew(now)
    return {
      total: this.settings.identifiesTotal,
      remaining: this.remaining,
      reset_after: Math.max(0, this.resetsAt - now),
      max_concurrency: this.settings.maxConcurrency
    }
  }

  private renew(now: number): void {
    if (now < this.resetsAt) return
    this.remaining = this.settings.identifiesTotal
    this.resetsAt = now + this.settings.identifiesResetAfter
  }
}
