/**
 * Recovery policy of a shard: at which URL it resumes, when it gives the session up, for how long it waits for READY, when
 * it skips a malformed payload, and when it does without compression.
 *
 * RESUME costs nothing and IDENTIFY is rationed, so a session is given up only on Discord's word, or after failing for
 * longer than Discord could keep it.
 */
import * as Duration from "effect/Duration"
import type { GatewayError } from "../schema/GatewayError.ts"
import type { ShardState } from "../schema/ShardStatus.ts"

/** The end of a connection, as the policy judges it. */
export interface Outcome {
  readonly error: GatewayError
  /** The state in which it ended. */
  readonly state: ShardState
  /** The last sequence received. */
  readonly received: number | null
  /** Milliseconds of monotonic time. */
  readonly now: number
}

/** Limits of the policy. */
export interface RecoveryLimits {
  readonly giveUpResume: { readonly failures: number; readonly after: Duration.Duration }
  readonly malformedReplays: number
}

/** The memory of one shard's failures. */
export class RecoveryPolicy {
  private readonly limits: RecoveryLimits
  private failures = 0
  private failingSince = 0
  private resumeHostAnswers = true
  private isDistrusted = false
  private inflateFailures = 0
  private unansweredIdentifies = 0
  private malformedAfter = Number.NaN
  private malformedTimes = 0

  constructor(limits: RecoveryLimits) {
    this.limits = limits
  }

  /** Learns from the end of a connection, and says whether the session is kept. */
  judge({ error, now, received, state }: Outcome): "keep" | "drop" {
    const { giveUpResume, malformedReplays } = this.limits
    if (state === "ready") {
      this.failures = 0
      this.unansweredIdentifies = 0
      this.resumeHostAnswers = !this.isDistrusted
    }
    if (error.reason._tag === "ReadyTimeout") this.unansweredIdentifies++
    if (error.reason._tag === "OpenFailed") this.resumeHostAnswers = !this.resumeHostAnswers && !this.isDistrusted
    if (error.reason._tag === "DecompressionFailed") this.inflateFailures++
    else if (state === "ready" && this.inflateFailures < malformedReplays) this.inflateFailures = 0
    if (error.reason._tag === "MalformedPayload") {
      const after = received ?? 0
      this.malformedTimes = this.malformedAfter === after ? this.malformedTimes + 1 : 1
      this.malformedAfter = after
    }
    if (error.recovery === "identify") {
      this.failures = 0
      return "drop"
    }
    if (state !== "resuming") return "keep"
    if (this.failures === 0) this.failingSince = now
    this.failures++
    if (this.failures < giveUpResume.failures || now - this.failingSince < Duration.toMillis(giveUpResume.after)) {
      return "keep"
    }
    this.failures = 0
    return "drop"
  }

  /** True where the session's own host is to be tried; otherwise the main one resumes it. They take turns. */
  resumeUrlAnswers(): boolean {
    return this.resumeHostAnswers
  }

  /** The session's own host is not to be used: nothing says yet that it is Discord's. */
  distrustResumeUrl(): void {
    this.resumeHostAnswers = false
    this.isDistrusted = true
  }

  /** There is no main URL to turn to. */
  noMainUrl(): void {
    this.resumeHostAnswers = !this.isDistrusted
  }

  /** Factor of the limit for READY: it doubles, up to eightfold, while IDENTIFYs in a row are not answered within it. */
  readyPatience(): number {
    return 2 ** Math.min(this.unansweredIdentifies, 3)
  }

  /** True while inflating works; after several failures in a row it is tried without compression. */
  canInflate(): boolean {
    return this.inflateFailures < this.limits.malformedReplays
  }

  /** True where the payload after this sequence was malformed so often that it is to be skipped. */
  skipMalformed(received: number | null): boolean {
    return this.malformedTimes >= this.limits.malformedReplays && this.malformedAfter === (received ?? 0)
  }
}
