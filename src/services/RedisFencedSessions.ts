/**
 * Fenced sessions in Redis: a hash a shard, with its epoch and its session. Scripts take and write, so each is one step.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Persistence from "effect/persistence/Persistence"
import * as Redis from "effect/persistence/Redis"
import { failureText } from "./FailureText.ts"
import { FencedSessions, type FencedWrite, type Taken } from "./FencedSessions.ts"

const takeScript = Redis.script((key: string) => [key], {
  numberOfKeys: 1,
  lua: `
local epoch = redis.call("HINCRBY", KEYS[1], "epoch", 1)
return { tostring(epoch), redis.call("HGET", KEYS[1], "session") or "" }
`
}).withReturnType<readonly [epoch: string, session: string]>()

const writeScript = Redis.script(
  (keys: ReadonlyArray<string>, writes: ReadonlyArray<FencedWrite>) => [
    ...keys,
    ...writes.flatMap(({ epoch, session }) => [String(epoch), session ?? ""])
  ],
  {
    numberOfKeys: (keys) => keys.length,
    lua: `
local written = {}
for index, key in ipairs(KEYS) do
  if redis.call("HGET", key, "epoch") == ARGV[2 * index - 1] then
    local session = ARGV[2 * index]
    if session == "" then
      redis.call("HDEL", key, "session")
    else
      redis.call("HSET", key, "session", session)
    end
    table.insert(written, tostring(index))
  end
end
return written
`
  }
).withReturnType<ReadonlyArray<string>>()

const unanswered = (error: Redis.RedisError) => new Persistence.PersistenceError({ message: failureText(error) })

const keyOf = (cluster: string, shard: string) => `${cluster}_disruption-gateway_session:${shard}`

/** Keeps the sessions of the cluster or the bot of this name in Redis. */
export const layer = (cluster: string): Layer.Layer<FencedSessions, never, Redis.Redis> =>
  Layer.effect(
    FencedSessions,
    Effect.map(Redis.Redis, (redis) => {
      const take = redis.eval(takeScript)
      const write = redis.eval(writeScript)
      return FencedSessions.of({
        take: (shards) =>
          Effect.forEach(
            shards,
            (shard) =>
              Effect.map(take(keyOf(cluster, shard)), ([epoch, session]): [string, Taken] => [
                shard,
                { epoch: Number(epoch), session: session === "" ? undefined : session }
              ]),
            { concurrency: "unbounded" }
          ).pipe(
            Effect.map((taken) => new Map(taken)),
            Effect.mapError(unanswered)
          ),
        write: (writes) =>
          write(
            writes.map(({ shard }) => keyOf(cluster, shard)),
            writes
          ).pipe(
            Effect.map(
              (indices) =>
                new Set(
                  indices.flatMap((index) => {
                    const done = writes[Number(index) - 1]
                    return done === undefined ? [] : [done.shard]
                  })
                )
            ),
            Effect.mapError(unanswered)
          )
      })
    })
  )
