/**
 * Scripts of the broker on Redis: each is one step, whatever happens to who asks for it.
 *
 * All keys begin with the same hash tag, so that they are on one node of a Redis cluster.
 */
import * as Redis from "effect/persistence/Redis"
import type { LeasedPartition } from "../RelayBroker.ts"
import { type EntryKey, type RelayRecord, version } from "../RelayRecord.ts"

/** Number of partitions: the stored one, or else this one from now on. */
export const open = Redis.script((prefix: string, partitions: number, format: number) => [prefix, partitions, format], {
  numberOfKeys: 1,
  lua: `
redis.call("HSETNX", KEYS[1] .. ":meta", "partitions", ARGV[1])
redis.call("HSET", KEYS[1] .. ":meta", "version", ARGV[2])
return redis.call("HGET", KEYS[1] .. ":meta", "partitions")
`
}).withReturnType<string>()

/** Seconds for which the last sequence of a session is kept: Discord keeps a session for minutes. */
const sessionTime = 2 * 24 * 60 * 60

/**
 * Appends records, runs of one session together. The answer: whether it is full, then the depth, or else how many are new and how
 * many were there.
 */
export const publish = Redis.script(
  (prefix: string, partitions: number, capacity: number, records: ReadonlyArray<RelayRecord>) => {
    const params: Array<number | string> = [prefix, partitions, capacity, sessionTime, version]
    let source = ""
    let count = 0
    let countAt = 0
    let session: string | undefined
    let shard: number | undefined
    for (const record of records) {
      if (record.session !== session || record.shard !== shard) {
        session = record.session
        shard = record.shard
        source = `${session}:${shard}`
        countAt = params.length + 1
        count = 0
        params.push(source, 0)
      }
      params[countAt] = ++count
      params.push(`${record.sequence} ${record.partition} ${record.name}`, record.text)
    }
    return params
  },
  {
    numberOfKeys: 1,
    lua: `
local depth = 0
for partition = 0, ARGV[1] - 1 do
  depth = depth + redis.call("XLEN", KEYS[1] .. ":p:" .. partition)
end
if depth >= tonumber(ARGV[2]) then
  return { 1, depth, 0 }
end
local added = 0
local repeated = 0
local at = 5
while at <= #ARGV do
  local source = ARGV[at]
  local seen = KEYS[1] .. ":seen:" .. source
  local last = tonumber(redis.call("GET", seen) or 0)
  local stop = at + 2 + 2 * ARGV[at + 1]
  at = at + 2
  while at < stop do
    local sequence, partition, name = string.match(ARGV[at], "^(%d+) (%d+) (.*)$")
    if tonumber(sequence) > last then
      last = tonumber(sequence)
      added = added + 1
      redis.call("XADD", KEYS[1] .. ":p:" .. partition, "*", "v", ARGV[4], "id", source .. ":" .. sequence, "t", name, "payload", ARGV[at + 1])
    else
      repeated = repeated + 1
    end
    at = at + 2
  end
  redis.call("SET", seen, string.format("%.0f", last), "EX", ARGV[3])
end
return { 0, added, repeated }
`
  }
).withReturnType<readonly [isFull: number, first: number, second: number]>()

/** Takes entries out of their streams. A holder whose entries are acknowledged was not lost in vain. */
export const acknowledge = Redis.script(
  (prefix: string, handled: ReadonlyMap<number, ReadonlyArray<EntryKey>>) => [
    prefix,
    ...[...handled].flatMap(([partition, keys]) =>
      [[partition, keys.length], keys.map(({ position }) => position)].flat()
    )
  ],
  {
    numberOfKeys: 1,
    lua: `
local at = 1
while at <= #ARGV do
  local partition = ARGV[at]
  local stop = at + 2 + ARGV[at + 1]
  at = at + 2
  while at < stop do
    local upTo = math.min(at + 999, stop - 1)
    redis.call("XDEL", KEYS[1] .. ":p:" .. partition, unpack(ARGV, at, upTo))
    at = upTo + 1
  end
  redis.call("HDEL", KEYS[1] .. ":losses", partition)
end
return 1
`
  }
).withReturnType<number>()

/** Renews and takes leases. A lease is "epoch expires consumer", without a consumer where it is free. */
export const lease = Redis.script(
  (prefix: string, partitions: number, consumer: string, time: number) => [prefix, partitions, consumer, time],
  {
    numberOfKeys: 1,
    lua: `
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expires = string.format("%.0f", now + ARGV[3])
local members = KEYS[1] .. ":members"
redis.call("ZREMRANGEBYSCORE", members, "-inf", now)
redis.call("ZADD", members, expires, ARGV[2])
local share = math.ceil(ARGV[1] / redis.call("ZCARD", members))
local key = KEYS[1] .. ":leases"
local leases = {}
local flat = redis.call("HGETALL", key)
local own = 0
for at = 1, #flat, 2 do
  local epoch, until_, consumer = string.match(flat[at + 1], "^(%d+) (%d+) (.*)$")
  leases[flat[at]] = { epoch, tonumber(until_), consumer }
  if consumer == ARGV[2] then
    own = own + 1
  end
end
local answer = { "0" }
for partition = 0, ARGV[1] - 1 do
  local name = tostring(partition)
  local lease = leases[name] or { "0", 0, "" }
  local isHeld = lease[3] == ARGV[2]
  if not isHeld and own < share and (lease[3] == "" or lease[2] <= now) then
    if lease[3] ~= "" then
      redis.call("HINCRBY", KEYS[1] .. ":losses", name, 1)
    end
    lease[1] = string.format("%.0f", lease[1] + 1)
    own = own + 1
    isHeld = true
  end
  if isHeld then
    redis.call("HSET", key, name, lease[1] .. " " .. expires .. " " .. ARGV[2])
    local last = redis.call("XREVRANGE", KEYS[1] .. ":p:" .. name, "+", "-", "COUNT", 1)[1]
    local losses = redis.call("HGET", KEYS[1] .. ":losses", name) or "0"
    answer[#answer + 1] = name .. " " .. lease[1] .. " " .. losses .. " " .. (last and last[1] or "")
  end
end
answer[1] = tostring(math.max(0, own - share))
return answer
`
  }
).withReturnType<readonly [surplus: string, ...held: ReadonlyArray<string>]>()

/** Gives leases back: only those that are still the consumer's. */
export const release = Redis.script(
  (prefix: string, consumer: string, released: ReadonlyArray<Pick<LeasedPartition, "epoch" | "partition">>) => [
    prefix,
    consumer,
    ...released.flatMap(({ epoch, partition }) => [partition, epoch])
  ],
  {
    numberOfKeys: 1,
    lua: `
local key = KEYS[1] .. ":leases"
for at = 2, #ARGV, 2 do
  local epoch, consumer = string.match(redis.call("HGET", key, ARGV[at]) or "", "^(%d+) %d+ (.*)$")
  if epoch == ARGV[at + 1] and consumer == ARGV[1] then
    redis.call("HSET", key, ARGV[at], epoch .. " 0 ")
  end
end
return 1
`
  }
).withReturnType<number>()

/** Depth, age of the oldest entry in milliseconds, dead letters, consumers. */
export const status = Redis.script((prefix: string, partitions: number) => [prefix, partitions], {
  numberOfKeys: 1,
  lua: `
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local depth = 0
local oldest = now
for partition = 0, ARGV[1] - 1 do
  local key = KEYS[1] .. ":p:" .. partition
  local length = redis.call("XLEN", key)
  if length > 0 then
    depth = depth + length
    local first = redis.call("XRANGE", key, "-", "+", "COUNT", 1)[1][1]
    oldest = math.min(oldest, tonumber(string.match(first, "^%d+")))
  end
end
local consumers = redis.call("ZCOUNT", KEYS[1] .. ":members", now, "+inf")
return { depth, now - oldest, redis.call("XLEN", KEYS[1] .. ":dead"), consumers }
`
}).withReturnType<readonly [depth: number, age: number, deadLetters: number, consumers: number]>()

/** Adds a message to a channel, which ends ten minutes after the last one. */
export const post = Redis.script((channel: string, text: string) => [channel, text], {
  numberOfKeys: 1,
  lua: `
redis.call("XADD", KEYS[1], "MAXLEN", "~", 1000, "*", "text", ARGV[1])
redis.call("EXPIRE", KEYS[1], 600)
return 1
`
}).withReturnType<number>()
