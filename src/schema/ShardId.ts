/**
 * Which part of a bot's guilds a connection is for: Discord's `[shard_id, num_shards]`.
 *
 * Source: Discord, "Sharding".
 */
import * as Schema from "effect/Schema"

/** A shard's number and how many there are: `new ShardId({ id: 0, total: 1 })` is a bot without sharding. */
export class ShardId extends Schema.Class<ShardId>("disruption-gateway/ShardId")({
  /** From 0 to `total - 1`. */
  id: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  /** The number of shards that the bot's guilds are spread over. */
  total: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))
}) {
  /** The IDENTIFY bucket of this shard: one IDENTIFY per bucket may be sent in 5 seconds. */
  bucket(maxConcurrency: number): number {
    return this.id % Math.max(1, maxConcurrency)
  }

  override toString(): string {
    return `${this.id}/${this.total}`
  }
}

/**
 * The number of the shard that a guild's events come through. Events without a guild come through shard 0.
 *
 * ```ts
 * shardOfGuild("197038439483310086", 16) // 2
 * ```
 */
export const shardOfGuild = (guildId: string | bigint, total: number): number =>
  Number((BigInt(guildId) >> 22n) % BigInt(total))
