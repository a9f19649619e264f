/**
 * The day's budget of IDENTIFYs, which all shards of a bot share.
 */
import * as Schema from "effect/Schema"

/**
 * Schema of the day's remaining IDENTIFYs.
 *
 * @category schemas
 * @since 0.1.0
 */
export const IdentifyBudget = Schema.Struct({
  total: Schema.Int,
  remaining: Schema.Int,
  /** Time of the next budget. */
  resetAt: Schema.DateTimeUtcFromString
})

/**
 * The day's remaining IDENTIFYs: Discord's last answer, less those sent since.
 *
 * @category models
 * @since 0.1.0
 */
export interface IdentifyBudget extends Schema.Schema.Type<typeof IdentifyBudget> {}
