/**
 * Selection of a process's shards: all of a total, some of a total, or as many as Discord recommends.
 */
import * as Result from "effect/Result"
import { ShardId } from "./ShardId.ts"

/**
 * Selected shards: `4` is 0 to 3 of 4, `{ ids: [2, 3], total: 4 }` the latter two, `"auto"` Discord's recommendation.
 *
 * @category models
 * @since 0.1.0
 */
export type ShardSelection = "auto" | number | { readonly ids: ReadonlyArray<number>; readonly total: number }

/** Parser of `auto`, `4` (a count) and `2,3/4` (two of four). Fails with a message. */
export const parseShards = (text: string): Result.Result<ShardSelection, string> =>
  Result.flatMap(readShards(text), (selection) => Result.map(shardIdsOf(selection), () => selection))

const readShards = (text: string): Result.Result<ShardSelection, string> => {
  if (text.trim() === "auto") return Result.succeed("auto")
  const [, ids = "", total] = /^(\d+(?:,\d+)*)(?:\/(\d+))?$/.exec(text.replaceAll(" ", "")) ?? []
  if (total !== undefined) return Result.succeed({ ids: ids.split(",").map(Number), total: Number(total) })
  return /^\d+$/.test(ids)
    ? Result.succeed(Number(ids))
    : Result.fail(
        `"${text}" does not say which shards: it takes auto, a count such as 2, or ids of a total such as 2,3/4`
      )
}

/** The selected shards. Fails with a message. */
export const shardIdsOf = (shards: ShardSelection): Result.Result<"auto" | ReadonlyArray<ShardId>, string> => {
  if (shards === "auto") return Result.succeed(shards)
  const { ids, total } =
    typeof shards === "number"
      ? { ids: Array.from({ length: Math.max(0, Math.min(shards, maxShards)) || 0 }, (_, id) => id), total: shards }
      : shards
  if (!Number.isInteger(total) || total < 1 || total > maxShards) {
    return Result.fail(`${total} is not a number of shards: it takes an integer from 1 to ${maxShards}`)
  }
  if (ids.length === 0 || new Set(ids).size !== ids.length) {
    return Result.fail("the shards' ids take at least one, and each once")
  }
  const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= total)
  if (wrong !== undefined) return Result.fail(`${wrong} is not a shard of ${total}: they go from 0 to ${total - 1}`)
  return Result.succeed(ids.map((id) => new ShardId({ id, total })))
}

/** Most shards that a bot can have here, far above the largest bots. */
export const maxShards = 100_000
