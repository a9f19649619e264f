/**
 * Identity of a shard: Discord's `[shard_id, num_shards]`.
 */
import * as Schema from "effect/Schema"

/**
 * Number of a shard and the total: `new ShardId({ id: 0, total: 1 })` is a bot without sharding.
 *
 * @category models
 * @since 0.1.0
 */
export class ShardId extends Schema.Class<ShardId>("disruption-gateway/ShardId")({
  /** Number from 0 to `total - 1`. */
  id: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  /** Number of shards that the bot's guilds are spread over. */
  total: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))
}) {
  /** IDENTIFY bucket of this shard. Each bucket has a rate limit of its own. */
  bucket(maxConcurrency: number): number {
    return this.id % Math.max(1, maxConcurrency)
  }

  override toString(): string {
    return `${this.id}/${this.total}`
  }
}

/**
 * Number of the shard that receives a guild's events. Events without a guild go to shard 0.
 *
 * Discord, "Sharding": https://discord.com/developers/docs/events/gateway#sharding
 *
 * ```ts
 * shardOfGuild("197038439483310086", 16) // 2
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const shardOfGuild = (guildId: string | bigint, total: number): number =>
  Number((BigInt(guildId) >> 22n) % BigInt(total))
