/**
 * Verdict over the answers of GET /gateway/bot: which of them is fatal, and when it may be asked again.
 *
 * A 401 or 404 to a bot that was connected before may be the error page of a proxy. It is asked again, and counts only once it
 * has stayed for long. Close 4004 is the gateway's own word on a token, and is not judged here.
 */
import * as Duration from "effect/Duration"
import { AuthenticationFailed } from "../schema/FatalError.ts"
import { DirectoryRateLimited, DirectoryRejected } from "../schema/DirectoryError.ts"
import type { GatewayErrorReason } from "../schema/GatewayError.ts"

/** A refusal stays when it was the answer so often in a row, and for so long: an hourly deploy of a proxy is shorter. */
const staysAfter = { answers: 10, time: Duration.minutes(30) }

/** The memory of the answers. Times are monotonic, in milliseconds. */
export class DirectoryVerdict {
  private readonly host: string
  private isConfirmed = false
  private refusals:
    | { readonly tag: GatewayErrorReason["_tag"]; readonly since: number; readonly answers: number }
    | undefined
  private held: { readonly reason: DirectoryRateLimited | DirectoryRejected; readonly until: number } | undefined

  constructor(host: string) {
    this.host = host
  }

  /** Discord has taken the bot's token at this URL. */
  confirm(): void {
    this.isConfirmed = true
  }

  /** A good answer came. */
  accept(): void {
    this.confirm()
    this.refusals = undefined
    this.held = undefined
  }

  /** The reason with which a request is to fail that failed with this one. */
  judge(reason: GatewayErrorReason, now: number): GatewayErrorReason {
    this.hold(reason, now)
    const status = statusOf(reason)
    if (status === undefined) {
      this.refusals = undefined
      return reason
    }
    const { answers, since } = this.refusals?.tag === reason._tag ? this.refusals : { answers: 0, since: now }
    this.refusals = { tag: reason._tag, since, answers: answers + 1 }
    const stays = answers + 1 >= staysAfter.answers && now - since >= Duration.toMillis(staysAfter.time)
    return !this.isConfirmed || stays ? reason : new DirectoryRejected({ status, host: this.host, isDoubted: true })
  }

  /** The reason not to ask now, with what is left of the wait that the last answer asked for. */
  refusal(now: number): GatewayErrorReason | undefined {
    if (this.held === undefined || now >= this.held.until) return undefined
    const { reason, until } = this.held
    const retryAfter = Duration.millis(until - now)
    return reason._tag === "DirectoryRateLimited"
      ? new DirectoryRateLimited({ retryAfter })
      : new DirectoryRejected({ status: reason.status, host: reason.host, retryAfter })
  }

  private hold(reason: GatewayErrorReason, now: number): void {
    this.held = undefined
    if (reason._tag !== "DirectoryRateLimited" && reason._tag !== "DirectoryRejected") return
    if (reason.retryAfter !== undefined) this.held = { reason, until: now + Duration.toMillis(reason.retryAfter) }
  }
}

const statusOf = (reason: GatewayErrorReason): 401 | 404 | undefined => {
  if (reason instanceof AuthenticationFailed) return 401
  return reason._tag === "DirectoryRejected" && reason.status === 404 ? 404 : undefined
}
