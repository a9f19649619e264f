/**
 * Broker on Redis Streams: a stream for each partition, and scripts for what has to be one step.
 *
 * Consumer groups are not used: XREADGROUP takes entries for whoever asks, so a consumer that was paused and has lost its partition
 * would take the next ones away from their new holder. Here reading is XREAD, which changes nothing, and the lease says who reads.
 * Needs Redis 6.2 or later, with `appendonly yes` to keep what it has said to have.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { failureText } from "../../services/FailureText.ts"
import {
  type BrokerOptions,
  type ChannelMessage,
  defaults,
  type PartitionEntries,
  RelayBroker,
  RelayBrokerError,
  unansweredWait
} from "../RelayBroker.ts"
import * as RedisRelayScripts from "./RedisRelayScripts.ts"
import * as RelayRecord from "../RelayRecord.ts"
import type { RelayEntry } from "../RelayRecord.ts"

/**
 * A broker on Redis.
 *
 * ```ts
 * RedisBroker.layer({ name: "my-bot" }).pipe(Layer.provide(NodeRedis.layer({ url: "redis://127.0.0.1:6379" })))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: BrokerOptions): Layer.Layer<RelayBroker, RelayBrokerError, Redis.Redis> =>
  Layer.effect(
    RelayBroker,
    Effect.flatMap(Redis.Redis, (redis) => make(options, redis))
  )

/** Fails as brokers do. */
const run = <A>(effect: Effect.Effect<A, Redis.RedisError>) => Effect.mapError(effect, failed)

/** Number of a partition, which its key ends with. */
const partitionOf = (key: string) => Number(key.slice(key.lastIndexOf(":") + 1))

const failed = (error: Redis.RedisError) => new RelayBrokerError({ description: failureText(error) })

/** Time for which a read of channels waits in Redis, so that a connection whose peer is gone is noticed. */
const longestWait = Duration.seconds(5)

const make = Effect.fnUntraced(function* (options: BrokerOptions, redis: Redis.Redis["Service"]) {
  const prefix = `{disruption-gateway_relay:${options.name}}`
  const capacity = options.capacity ?? defaults.capacity
  const partitions = yield* Effect.map(
    run(redis.eval(RedisRelayScripts.open)(prefix, options.partitions ?? defaults.partitions, RelayRecord.version)),
    Number
  )
  const streamOf = (partition: number) => `${prefix}:p:${partition}`
  const channelOf = (name: string) => `${prefix}:c:${name}`

  const publish = redis.eval(RedisRelayScripts.publish)
  const acknowledge = redis.eval(RedisRelayScripts.acknowledge)
  const lease = redis.eval(RedisRelayScripts.lease)
  const release = redis.eval(RedisRelayScripts.release)
  const status = redis.eval(RedisRelayScripts.status)

  /** Reads streams on a connection of its own, as the others would wait for it. */
  const read = (
    after: ReadonlyArray<readonly [key: string, position: string]>,
    limit: number,
    wait: Duration.Duration
  ) =>
    Effect.scoped(
      Effect.flatMap(redis.reserve, ({ send }) =>
        send(
          "XREAD",
          "COUNT",
          String(limit),
          ...(Duration.isZero(wait) ? [] : ["BLOCK", String(Math.max(1, Math.round(Duration.toMillis(wait))))]),
          "STREAMS",
          ...after.map(([key]) => key),
          ...after.map(([, position]) => position)
        )
      )
    ).pipe(Effect.map(streamsOf), run)

  const follow = (name: string, fromStart: boolean): Stream.Stream<ChannelMessage, RelayBrokerError> =>
    Stream.unwrap(
      Effect.map(fromStart ? Effect.succeed("0-0") : run(lastOf(redis, channelOf(name))), (start) => {
        let last = start
        const next = Effect.suspend(() => read([[channelOf(name), last]], 100, longestWait)).pipe(
          Effect.retry(unansweredWait),
          Effect.map((streams) => {
            const messages = (streams[0]?.entries ?? []).map(({ fields, position }) => ({
              position,
              text: fields.get("text") ?? ""
            }))
            last = messages.at(-1)?.position ?? last
            return messages
          })
        )
        return Stream.flatMap(Stream.fromEffectRepeat(next), Stream.fromIterable)
      })
    )

  return RelayBroker.of({
    name: options.name,
    partitions,
    publish: (records) =>
      Effect.map(run(publish(prefix, partitions, capacity, records)), ([isFull, first, second]) =>
        isFull === 1 ? { _tag: "Full", depth: first } : { _tag: "Written", added: first, repeated: second }
      ),
    read: (after, { limit, wait }) =>
      Effect.map(
        read(
          [...after].map(([partition, position]) => [streamOf(partition), position ?? "0-0"]),
          limit,
          wait
        ),
        (streams) =>
          streams.map(({ entries, key }): PartitionEntries => ({
            partition: partitionOf(key),
            entries: entries.map(entryOf)
          }))
      ),
    acknowledge: (handled) => Effect.asVoid(run(acknowledge(prefix, handled))),
    lease: (consumer, time) =>
      Effect.map(run(lease(prefix, partitions, consumer, Duration.toMillis(time))), ([surplus, ...held]) => ({
        surplus: Number(surplus),
        held: held.map((line) => {
          const [partition, epoch, losses, last = ""] = line.split(" ")
          return {
            partition: Number(partition),
            epoch: Number(epoch),
            losses: Number(losses),
            last: last === "" ? undefined : last
          }
        })
      })),
    release: (consumer, released) => Effect.asVoid(run(release(prefix, consumer, released))),
    leave: (consumer) => Effect.asVoid(run(redis.send("ZREM", `${prefix}:members`, consumer))),
    setAside: ({ attempts, cause, id, name, text }) =>
      Effect.asVoid(
        run(
          redis.send(
            "XADD",
            `${prefix}:dead`,
            "*",
            "v",
            String(RelayRecord.version),
            "id",
            id,
            "t",
            name,
            "attempts",
            String(attempts),
            "cause",
            cause,
            "payload",
            text
          )
        )
      ),
    deadLetters: (limit) =>
      Effect.map(run(redis.send("XREVRANGE", `${prefix}:dead`, "+", "-", "COUNT", String(limit))), (answer) =>
        entriesOf(answer)
          .map(({ fields }) => ({
            id: fields.get("id") ?? "",
            name: fields.get("t") ?? "",
            text: fields.get("payload") ?? "",
            cause: fields.get("cause") ?? "",
            attempts: Number(fields.get("attempts"))
          }))
          .toReversed()
      ),
    status: Effect.map(run(status(prefix, partitions)), ([depth, age, deadLetters, consumers]) => ({
      depth,
      age,
      deadLetters,
      consumers
    })),
    post: (name, text) => Effect.asVoid(run(redis.eval(RedisRelayScripts.post)(channelOf(name), text))),
    follow: (name, { fromStart }) => follow(name, fromStart),
    claim: (name, position) =>
      Effect.map(run(redis.send("XDEL", channelOf(name), position)), (count) => Number(count) === 1),
    put: (name, text) => Effect.asVoid(run(redis.send("HSET", `${prefix}:texts`, name, text))),
    texts: Effect.map(run(redis.send("HGETALL", `${prefix}:texts`)), (answer) =>
      Array.isArray(answer)
        ? fieldsOf(answer)
        : new Map(pairsOf(answer).map(([name, text]) => [String(name), String(text)]))
    ),
    remove: (name) => Effect.asVoid(run(redis.send("HDEL", `${prefix}:texts`, name)))
  })
})

const lastOf = (redis: Redis.Redis["Service"], key: string) =>
  Effect.map(redis.send("XREVRANGE", key, "+", "-", "COUNT", "1"), (answer) => entriesOf(answer)[0]?.position ?? "0-0")

interface StreamEntry {
  readonly position: string
  readonly fields: ReadonlyMap<string, string>
}

const entryOf = ({ fields, position }: StreamEntry): RelayEntry => ({
  position,
  version: Number(fields.get("v")),
  id: fields.get("id") ?? "",
  name: fields.get("t") ?? "",
  text: fields.get("payload") ?? ""
})

/** Reads the answer to XREAD, which is null where there is nothing. By RESP2 it is an array, by RESP3 a map. */
const streamsOf = (
  answer: unknown
): ReadonlyArray<{ readonly key: string; readonly entries: ReadonlyArray<StreamEntry> }> =>
  pairsOf(answer).map(([key, entries]) => ({ key: String(key), entries: entriesOf(entries) }))

const pairsOf = (answer: unknown): ReadonlyArray<readonly [key: unknown, value: unknown]> => {
  if (Array.isArray(answer))
    return answer.map((pair: unknown) => (Array.isArray(pair) ? [pair[0], pair[1]] : [pair, undefined]))
  if (answer instanceof Map) return [...answer]
  return Predicate.isObject(answer) ? Object.entries(answer) : []
}

const entriesOf = (answer: unknown): ReadonlyArray<StreamEntry> =>
  (Array.isArray(answer) ? answer : []).flatMap((entry: unknown) => {
    const [position, fields] = Array.isArray(entry) ? entry : []
    return Array.isArray(fields) ? [{ position: String(position), fields: fieldsOf(fields) }] : []
  })

const fieldsOf = (flat: ReadonlyArray<unknown>): ReadonlyMap<string, string> => {
  const fields = new Map<string, string>()
  for (let at = 0; at + 1 < flat.length; at += 2) fields.set(String(flat[at]), String(flat[at + 1]))
  return fields
}
