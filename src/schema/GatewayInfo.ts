/**
 * Discord's answer to GET /gateway/bot: where to connect, with how many shards, and how many IDENTIFYs are left.
 *
 * Source: Discord, "Get Gateway Bot".
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** Bounds the wait for new IDENTIFYs, which Discord gives once a day, so that the time of their coming is a date. */
const maxResetAfter = Duration.toMillis(Duration.days(366))

/** How many IDENTIFYs the bot has. Going over the total ends every session of the bot and resets its token. */
export class SessionStartLimit extends Schema.Class<SessionStartLimit>("disruption-gateway/SessionStartLimit")({
  /** IDENTIFYs per day, over all shards. */
  total: Count,
  /** How many of them are left. */
  remaining: Count,
  /** Milliseconds until `remaining` is `total` again. */
  reset_after: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: maxResetAfter })),
  /** IDENTIFYs per 5 seconds: the number of buckets. */
  max_concurrency: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))
}) {}

/** Discord's answer to GET /gateway/bot. */
export class GatewayInfo extends Schema.Class<GatewayInfo>("disruption-gateway/GatewayInfo")({
  /** The WebSocket URL to connect to, without a query. */
  url: Schema.NonEmptyString,
  /** The number of shards that Discord recommends. */
  shards: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)),
  session_start_limit: SessionStartLimit
}) {}
