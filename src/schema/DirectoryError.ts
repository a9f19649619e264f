/**
 * Reasons of a `GatewayError` that concern GET /gateway/bot.
 */
import * as Schema from "effect/Schema"
import type { GatewayRecovery } from "./CloseCode.ts"
import { durationText } from "./DurationText.ts"

/**
 * GET /gateway/bot got no answer.
 *
 * @category errors
 * @since 0.1.0
 */
export class DirectoryUnreachable extends Schema.TaggedError<DirectoryUnreachable>(
  "disruption-gateway/GatewayError/DirectoryUnreachable"
)("DirectoryUnreachable", {
  host: Schema.String,
  description: Schema.String
}) {
  readonly recovery: GatewayRecovery = "resume"
  override get message() {
    return `GET /gateway/bot: no answer from ${this.host}: ${this.description}`
  }
}

/**
 * GET /gateway/bot was rate limited.
 *
 * @category errors
 * @since 0.1.0
 */
export class DirectoryRateLimited extends Schema.TaggedError<DirectoryRateLimited>(
  "disruption-gateway/GatewayError/DirectoryRateLimited"
)("DirectoryRateLimited", {
  /** Wait that Discord asks for, an hour at most. */
  retryAfter: Schema.DurationFromMillis
}) {
  readonly recovery: GatewayRecovery = "resume"
  override get message() {
    return `GET /gateway/bot: rate limited for ${durationText(this.retryAfter)}`
  }
}

/**
 * GET /gateway/bot answered with a status that is not 200 or 429, nor a 401 that counts (`AuthenticationFailed`). Only a 404
 * that counts is fatal: the URL is wrong.
 *
 * @category errors
 * @since 0.1.0
 */
export class DirectoryRejected extends Schema.TaggedError<DirectoryRejected>(
  "disruption-gateway/GatewayError/DirectoryRejected"
)("DirectoryRejected", {
  status: Schema.Int,
  host: Schema.String,
  /** Wait that the answer asks for (Retry-After), an hour at most. */
  retryAfter: Schema.optionalKey(Schema.DurationFromMillis),
  /** True for a 401 or 404 to a bot that was connected before: a proxy's error page, perhaps. It is asked again. */
  isDoubted: Schema.optionalKey(Schema.Boolean)
}) {
  get recovery(): GatewayRecovery {
    return this.status === 404 && this.isDoubted !== true ? "fatal" : "resume"
  }
  override get message() {
    const answered = `GET /gateway/bot: ${this.host} answered ${this.status}`
    if (this.isDoubted === true) return `${answered}, although the bot was connected: it is asked again`
    return this.status === 404
      ? `${answered}. Check the option apiUrl (DISCORD_API_URL): https://discord.com/api/v10 is Discord's.`
      : answered
  }
}

/**
 * The body of GET /gateway/bot is not the documented one.
 *
 * @category errors
 * @since 0.1.0
 */
export class DirectoryMalformed extends Schema.TaggedError<DirectoryMalformed>(
  "disruption-gateway/GatewayError/DirectoryMalformed"
)("DirectoryMalformed", {
  description: Schema.String
}) {
  readonly recovery: GatewayRecovery = "resume"
  override get message() {
    return `GET /gateway/bot: malformed answer: ${this.description}`
  }
}
