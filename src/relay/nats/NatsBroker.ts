/**
 * Broker on NATS JetStream: a stream of all partitions, out of which messages are taken when they are acknowledged, and small ones for leases
 * and texts, channels and dead letters.
 *
 * Durable consumers are not used: they hand messages to whoever asks, so a consumer that was paused and has lost its partition would take
 * the next ones away from their new holder. Consumers of the server's only read here, and the lease says who reads. Needs NATS 2.9 or later.
 *
 * @since 0.1.0
 */
import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from "@nats-io/jetstream"
import { nanos } from "@nats-io/transport-node"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as LeaseTable from "../LeaseTable.ts"
import * as NatsApi from "./NatsApi.ts"
import * as NatsCell from "./NatsCell.ts"
import { NatsClient } from "./NatsClient.ts"
import * as NatsLog from "./NatsLog.ts"
import { namesOf, textOf } from "./NatsNames.ts"
import * as NatsReader from "./NatsReader.ts"
import {
  type BrokerOptions,
  type ChannelMessage,
  defaults,
  type LeasedPartition,
  RelayBroker,
  RelayBrokerError,
  type RelayDeadLetter,
  unansweredWait
} from "../RelayBroker.ts"
import * as RelayRecord from "../RelayRecord.ts"
import type { EntryKey, RelayEntry } from "../RelayRecord.ts"

/**
 * Options of a broker on NATS.
 *
 * @since 0.1.0
 * @category models
 */
export interface NatsBrokerOptions extends BrokerOptions {
  /** Number of servers of a NATS cluster that keep each stream, where the streams are made: 1, 3 or 5. Default: 1. */
  readonly replicas?: number | undefined
}

/**
 * A broker on NATS.
 *
 * ```ts
 * NatsBroker.layer({ name: "my-bot" }).pipe(Layer.provide(NatsClient.layer({ servers: "nats://127.0.0.1:4222" })))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: NatsBrokerOptions): Layer.Layer<RelayBroker, RelayBrokerError, NatsClient> =>
  Layer.effect(
    RelayBroker,
    Effect.mapError(
      Effect.flatMap(NatsClient, (client) => make(options, client)),
      failed
    )
  )

const failed = ({ message }: NatsApi.NatsError) => new RelayBrokerError({ description: message })

/** Fails as brokers do. */
const run = <A>(effect: Effect.Effect<A, NatsApi.NatsError>) => Effect.mapError(effect, failed)

/** Time for which a channel keeps a message, and how many. */
const channelTime = Duration.minutes(10)
const channelLength = 1000

/** Time for which a read of a channel waits. */
const longestWait = Duration.seconds(5)

const Meta = Schema.Struct({ version: Schema.Int, partitions: Schema.Int })

const DeadLetter = Schema.fromJsonString(
  Schema.Struct({
    v: Schema.Int,
    id: Schema.String,
    t: Schema.String,
    attempts: Schema.Int,
    cause: Schema.String,
    payload: Schema.String
  })
)
const encodeLetter = Schema.encodeSync(DeadLetter)
const decodeLetter = Schema.decodeOption(DeadLetter)

const make = Effect.fnUntraced(function* (options: NatsBrokerOptions, client: NatsClient["Service"]) {
  const api = yield* NatsApi.make(client)
  const { ask, manager, publisher } = api
  const names = namesOf(options.name)

  const replicas = options.replicas ?? 1
  const stream = (name: string, subjects: ReadonlyArray<string>, more: Partial<StreamConfig> = {}) =>
    api.open({
      name,
      subjects: [...subjects],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.Old,
      num_replicas: replicas,
      ...more
    })
  // Entries are never dropped, and repetitions recognised by their marks: the server has to remember no ids.
  yield* stream(names.log, [names.partitions, names.mark], {
    discard: DiscardPolicy.New,
    allow_direct: true,
    duplicate_window: nanos(1000)
  })
  yield* NatsCell.openStream(api, names.state, names.states, replicas)
  yield* stream(names.channels, [names.anyChannel], {
    max_msgs_per_subject: channelLength,
    max_age: nanos(Duration.toMillis(channelTime))
  })
  yield* stream(names.dead, [names.letters])

  const partitions = yield* NatsCell.make(api, names.state, names.meta, Meta).update(({ value }) =>
    value === undefined
      ? [
          options.partitions ?? defaults.partitions,
          { version: RelayRecord.version, partitions: options.partitions ?? defaults.partitions }
        ]
      : [value.partitions, undefined]
  )
  const log = yield* NatsLog.make(api, {
    stream: names.log,
    subjectOf: names.partition,
    markSubject: names.mark,
    capacity: options.capacity ?? defaults.capacity
  })
  const reader = yield* NatsReader.make(api, { stream: names.log, subjectOf: names.partition, repeats: true })
  const leases = NatsCell.make(api, names.state, names.leases, LeaseTable.LeaseTable)

  /** Count of losses of the partitions that this process has leases of, where there are some. */
  const losses = new Map<number, number>()
  /** The last entries at the moments of the leases, which are not asked for again. */
  const lastEntries = new Map<number, { readonly epoch: number; readonly last: string | undefined }>()

  const leased = Effect.fnUntraced(function* (partition: number, { epoch, losses: lost }: LeaseTable.Lease) {
    const known = lastEntries.get(partition)
    const last =
      known?.epoch === epoch
        ? known.last
        : yield* Effect.map(
            api.last(names.log, names.partition(partition)),
            (message) => message && String(message.position)
          )
    lastEntries.set(partition, { epoch, last })
    if (lost > 0) losses.set(partition, lost)
    else losses.delete(partition)
    return { partition, epoch, losses: lost, last } satisfies LeasedPartition
  })

  /** Takes an entry out, and not another one that is in its place since a loss. */
  const takeEntry = ({ id, position }: EntryKey) =>
    api.take(names.log, Number(position), Number(position) <= reader.doubtful() ? id : undefined)

  const follow = (channel: string, fromStart: boolean) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const reader = yield* NatsReader.make(api, { stream: names.channels, subjectOf: names.channel, repeats: false })
        let last = fromStart
          ? undefined
          : yield* Effect.map(
              ask(() => manager.streams.info(names.channels)),
              ({ state }) => String(state.last_seq)
            )
        const next = Effect.suspend(() =>
          reader.read(new Map([[channel, last]]), { limit: 100, wait: longestWait })
        ).pipe(
          Effect.retry(unansweredWait),
          Effect.map((read) => {
            const messages = read.flatMap(({ messages }) => messages)
            last = messages.at(-1)?.position ?? last
            return messages.map(({ position, text }): ChannelMessage => ({ position, text }))
          })
        )
        return Stream.flatMap(Stream.fromEffectRepeat(next), Stream.fromIterable)
      })
    ).pipe(Stream.mapError(failed))

  const publish = (subject: string, text: string) => Effect.asVoid(ask(() => publisher.publish(subject, text)))

  return RelayBroker.of({
    name: options.name,
    partitions,
    publish: (records) => run(log.publish(records)),
    read: (after, options) =>
      Effect.map(run(reader.read(after, options)), (read) =>
        read.map(({ key, messages }) => ({ partition: key, entries: messages.map(entryOf) }))
      ),
    acknowledge: (handled) =>
      run(
        Effect.gen(function* () {
          yield* ask(() => Promise.all([...handled.values()].flat().map(takeEntry)))
          const inVain = new Set([...handled.keys()].filter((partition) => losses.has(partition)))
          if (inVain.size === 0) return
          yield* leases.update(({ at, value }) => [undefined, value && LeaseTable.progress(value, at, inVain)])
          for (const partition of inVain) losses.delete(partition)
        })
      ),
    lease: (consumer, time) =>
      run(
        Effect.gen(function* () {
          const { surplus, table } = yield* leases.update(({ at, value = LeaseTable.empty(partitions) }) => {
            const renewed = LeaseTable.renew(value, at, consumer, Duration.toMillis(time))
            return [renewed, renewed.table]
          })
          const held = table.leases.flatMap((lease, partition) =>
            lease.consumer === consumer ? [{ partition, lease }] : []
          )
          return {
            surplus,
            held: yield* Effect.forEach(held, ({ lease, partition }) => leased(partition, lease), {
              concurrency: "unbounded"
            })
          }
        })
      ),
    release: (consumer, released) =>
      run(leases.update(({ at, value }) => [undefined, value && LeaseTable.release(value, at, consumer, released)])),
    leave: (consumer) =>
      run(leases.update(({ at, value }) => [undefined, value && LeaseTable.leave(value, at, consumer)])),
    setAside: ({ attempts, cause, id, name, text }) =>
      run(
        publish(names.letters, encodeLetter({ v: RelayRecord.version, id, t: name, attempts, cause, payload: text }))
      ),
    deadLetters: (limit) =>
      run(
        Effect.scoped(
          Effect.gen(function* () {
            const { state } = yield* ask(() => manager.streams.info(names.dead))
            const reader = yield* NatsReader.make(api, {
              stream: names.dead,
              subjectOf: () => names.letters,
              repeats: false
            })
            const after = String(Math.max(0, state.last_seq - limit))
            const found = yield* reader.read(new Map([["", after]]), { limit, wait: Duration.zero })
            return found.flatMap(({ messages }) => messages).flatMap(({ text }) => Option.toArray(letterOf(text)))
          })
        )
      ),
    status: run(
      Effect.gen(function* () {
        const [depth, first, dead, state, table] = yield* Effect.all(
          [
            log.depth,
            ask(() => manager.direct.getMessage(names.log, { seq: 1, next_by_subj: names.partitions })),
            ask(() => manager.streams.info(names.dead)),
            ask(() => manager.streams.info(names.state)),
            leases.get
          ],
          { concurrency: "unbounded" }
        )
        // The server's time is that of its last message: relays and consumers write one every second.
        const now = Date.parse(state.state.last_ts)
        return {
          depth,
          age: first === null ? 0 : Math.max(0, now - first.time.getTime()),
          deadLetters: dead.state.messages,
          consumers: table.value === undefined ? 0 : LeaseTable.members(table.value, table.at, now)
        }
      })
    ),
    post: (channel, text) => run(publish(names.channel(channel), text)),
    follow: (channel, { fromStart }) => follow(channel, fromStart),
    claim: (_, position) => run(ask(() => api.take(names.channels, Number(position)))),
    put: (name, text) => run(publish(names.text(name), text)),
    texts: run(
      Effect.gen(function* () {
        const { state } = yield* ask(() => manager.streams.info(names.state, { subjects_filter: `${names.texts}*` }))
        const found = yield* Effect.forEach(
          Object.keys(state.subjects ?? {}),
          (subject) => Effect.map(api.last(names.state, subject), (message) => [subject, message] as const),
          { concurrency: "unbounded" }
        )
        return new Map(
          found.flatMap(([subject, message]) =>
            message === undefined ? [] : [[textOf(subject.slice(names.texts.length)), message.text] as const]
          )
        )
      })
    ),
    remove: (name) => run(Effect.asVoid(ask(() => manager.streams.purge(names.state, { filter: names.text(name) }))))
  })
})

const entryOf = ({ headers, position, text }: NatsReader.StoredMessage): RelayEntry => ({
  position,
  version: Number(headers?.get("v")),
  id: headers?.get("Nats-Msg-Id") ?? "",
  name: headers?.get("t") ?? "",
  text
})

const letterOf = (text: string): Option.Option<RelayDeadLetter> =>
  Option.map(decodeLetter(text), ({ attempts, cause, id, payload, t }) => ({
    id,
    name: t,
    text: payload,
    cause,
    attempts
  }))
