/**
 * Fenced sessions in Redis: a hash a shard, with its epoch and its session. Scripts take and write, so each is one step.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Persistence from "effect/persistence/Persistence"
import * as Redis from "effect/persistence/Redis"
import { failureText } from "./FailureText.ts"
import { FencedSessions, type FencedTexts, type FencedWrite, type Taken } from "./FencedSessions.ts"

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

const writeBesideScript = Redis.script(
  (session: string, beside: string, { epoch, texts }: FencedTexts) => [
    session,
    beside,
    String(epoch),
    ...texts.flatMap(([name, text]) => [name, text ?? ""])
  ],
  {
    numberOfKeys: 2,
    lua: `
if redis.call("HGET", KEYS[1], "epoch") ~= ARGV[1] then
  return "0"
end
for index = 2, #ARGV, 2 do
  if ARGV[index + 1] == "" then
    redis.call("HDEL", KEYS[2], ARGV[index])
  else
    redis.call("HSET", KEYS[2], ARGV[index], ARGV[index + 1])
  end
end
return "1"
`
  }
).withReturnType<string>()

const unanswered = (error: Redis.RedisError) => new Persistence.PersistenceError({ message: failureText(error) })

const keyOf = (cluster: string, shard: string) => `${cluster}_disruption-gateway_session:${shard}`

/** The hash of what is beside a shard's session. */
const besideOf = (cluster: string, shard: string) => `${cluster}_disruption-gateway_guilds:${shard}`

/** Keeps the sessions of the cluster or the bot of this name in Redis. */
export const layer = (cluster: string): Layer.Layer<FencedSessions, never, Redis.Redis> =>
  Layer.effect(
    FencedSessions,
    Effect.map(Redis.Redis, (redis) => {
      const take = redis.eval(takeScript)
      const write = redis.eval(writeScript)
      const writeBeside = redis.eval(writeBesideScript)
      return FencedSessions.of({
        readBeside: (shard, names) =>
          names.length === 0
            ? Effect.succeed(new Map())
            : redis.send<ReadonlyArray<string | null>>("HMGET", besideOf(cluster, shard), ...names).pipe(
                Effect.map(
                  (found) =>
                    new Map(
                      names.flatMap((name, place) => {
                        const text = found[place] ?? null
                        return text === null ? [] : [[name, text] as const]
                      })
                    )
                ),
                Effect.mapError(unanswered)
              ),
        writeBeside: (texts) =>
          writeBeside(keyOf(cluster, texts.shard), besideOf(cluster, texts.shard), texts).pipe(
            Effect.map((done) => done === "1"),
            Effect.mapError(unanswered)
          ),
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
