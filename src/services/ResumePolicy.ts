/**
 * What a shard makes of failures while it resumes: where it resumes, when it gives the session up, and when it leaves out
 * what it cannot read.
 *
 * RESUME costs nothing and IDENTIFY is rationed, so a session is given up only on Discord's word, or after failing for
 * longer than Discord could keep it.
 */
import * as Duration from "effect/Duration"
import type { GatewayError } from "../schema/GatewayError.ts"
import type { ShardState } from "../schema/ShardStatus.ts"

/** What is known of a connection that has ended. */
export interface Outcome {
  readonly error: GatewayError
  /** The state in which it ended. */
  readonly state: ShardState
  readonly marks: { readonly received: number | null }
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** The memory of one shard's failures. */
export interface ResumePolicy {
  /** Learns from the end of a connection, and says whether the session is kept. */
  readonly judge: (outcome: Outcome) => "keep" | "drop"
  /** Whether the session's own host is worth a try; otherwise the main one resumes it. They take turns. */
  readonly resumeUrlAnswers: () => boolean
  /** There is no main URL to turn to. */
  readonly noMainUrl: () => void
  /** Whether inflating works; after several failures in a row it is tried without compression. */
  readonly canInflate: () => boolean
  /** Whether the next payload was malformed so often that it is to be left out. */
  readonly skipMalformed: (marks: { readonly received: number | null }) => boolean
}

/** A shard without failures. */
export const make = (options: {
  readonly giveUpResume: { readonly failures: number; readonly after: Duration.Duration }
  readonly malformedReplays: number
}): ResumePolicy => {
  let failures = 0
  let failingSince = 0
  let resumeUrlAnswers = true
  let inflateFailures = 0
  let malformed = { after: Number.NaN, times: 0 }

  const judge = ({ error, marks, now, state }: Outcome): "keep" | "drop" => {
    if (state === "ready") {
      failures = 0
      resumeUrlAnswers = true
    }
    if (error.reason._tag === "OpenFailed") resumeUrlAnswers = !resumeUrlAnswers
    if (error.reason._tag === "DecompressionFailed") inflateFailures++
    else if (state === "ready" && inflateFailures < options.malformedReplays) inflateFailures = 0
    if (error.reason._tag === "MalformedPayload") {
      const after = marks.received ?? 0
      malformed = { after, times: malformed.after === after ? malformed.times + 1 : 1 }
    }
    if (error.recovery === "identify") {
      failures = 0
      return "drop"
    }
    if (state !== "resuming") return "keep"
    if (failures === 0) failingSince = now
    failures++
    const { after, failures: limit } = options.giveUpResume
    if (failures < limit || now - failingSince < Duration.toMillis(after)) return "keep"
    failures = 0
    return "drop"
  }

  return {
    judge,
    resumeUrlAnswers: () => resumeUrlAnswers,
    noMainUrl: () => {
      resumeUrlAnswers = true
    },
    canInflate: () => inflateFailures < options.malformedReplays,
    skipMalformed: ({ received }) => malformed.times >= options.malformedReplays && malformed.after === (received ?? 0)
  }
}
