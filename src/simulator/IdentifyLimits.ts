/**
 * Limits of IDENTIFY: one per bucket in 5 seconds, and a daily budget.
 *
 * Discord, "Session Start Limit Object": https://discord.com/developers/docs/events/gateway#session-start-limit-object
 */
import type { Settings } from "./SimulatorOptions.ts"

/** Milliseconds between two IDENTIFYs of a bucket. Discord, "Rate Limiting": https://discord.com/developers/docs/events/gateway#rate-limiting */
const bucketWindow = 5000

/** `granted` within the limits, `violation` too early for the bucket, `overrun` beyond the daily budget. */
export type Verdict = "granted" | "violation" | "overrun"

/** Counter of the IDENTIFYs of a bot. */
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

  /** Counts an IDENTIFY. Also one that is too early for its bucket takes from the budget. */
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

  /** The `session_start_limit` of GET /gateway/bot. */
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
