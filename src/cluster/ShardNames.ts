/**
 * Names of Discord's shards in the cluster. The hash of a name says which part of the cluster a shard is in, and the parts are
 * what the cluster spreads evenly over machines: so names are chosen by their hash.
 */
import type { ShardId } from "../schema/ShardId.ts"

/** Gives the name of a shard, which ends with `3/16`. */
export type NameOf = (shard: ShardId) => string

/** Names of clusters whose plan is of version 1: shards are in parts by chance. */
export const byChance: NameOf = (shard) => `discord-shard-${shard.toString()}`

/** Names that put the shards into the parts in turn, so that parts differ by one shard at most. */
export const inTurn = (partOf: (name: string) => number, parts: number): NameOf => {
  const names = new Map<string, string>()
  const find = (shard: ShardId): string => {
    const wanted = (shard.id % parts) + 1
    for (let salt = 0; ; salt++) {
      const name = `discord-shard-${salt.toString(36)}-${shard.toString()}`
      if (partOf(name) === wanted) return name
    }
  }
  return (shard) => {
    const key = shard.toString()
    const known = names.get(key)
    if (known !== undefined) return known
    const name = find(shard)
    names.set(key, name)
    return name
  }
}
