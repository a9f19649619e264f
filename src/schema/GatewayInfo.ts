/**
 * Discord's answer to GET /gateway/bot: the URL, the recommended number of shards, and the day's remaining IDENTIFYs.
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { maxShards } from "./ShardSelection.ts"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** Upper bound of the wait for the next budget, a year: the sum with the current time must be a valid date. */
const maxResetAfter = Duration.toMillis(Duration.days(366))

/**
 * Budget of IDENTIFYs. Going over the total ends every session of the bot and resets its token.
 *
 * Discord, "Session Start Limit Object": https://discord.com/developers/docs/events/gateway#session-start-limit-object
 *
 * @category models
 * @since 0.1.0
 */
export class SessionStartLimit extends Schema.Class<SessionStartLimit>("disruption-gateway/SessionStartLimit")({
  /** IDENTIFYs per day, over all shards. */
  total: Count,
  /** Remaining IDENTIFYs. */
  remaining: Count,
  /** Milliseconds until `remaining` is `total` again. */
  reset_after: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: maxResetAfter })),
  /** IDENTIFYs per 5 seconds, which is the number of buckets. */
  max_concurrency: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))
}) {}

/**
 * Discord's answer to GET /gateway/bot.
 *
 * Discord, "Get Gateway Bot": https://discord.com/developers/docs/events/gateway#get-gateway-bot
 *
 * @category models
 * @since 0.1.0
 */
export class GatewayInfo extends Schema.Class<GatewayInfo>("disruption-gateway/GatewayInfo")({
  /** The WebSocket URL to connect to, without a query. */
  url: Schema.NonEmptyString,
  /** Recommended number of shards, 100,000 at most: the largest bots have some thousand. */
  shards: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxShards })),
  session_start_limit: SessionStartLimit
}) {}
