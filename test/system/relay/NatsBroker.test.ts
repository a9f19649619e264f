import { assert, describe, it } from "@effect/vitest"
import { cpSync, renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { jetstreamManager } from "@nats-io/jetstream"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as NatsApi from "../../../src/relay/nats/NatsApi.ts"
import * as NatsBroker from "../../../src/relay/nats/NatsBroker.ts"
import { NatsClient } from "../../../src/relay/nats/NatsClient.ts"
import { namesOf } from "../../../src/relay/nats/NatsNames.ts"
import * as NatsReader from "../../../src/relay/nats/NatsReader.ts"
import { RelayBroker } from "../../../src/relay/RelayBroker.ts"
import type { RelayRecord } from "../../../src/relay/RelayRecord.ts"
import { contract } from "../../relay/BrokerContract.ts"
import * as Brokers from "../../relay/Brokers.ts"
import * as NatsStreams from "../../relay/NatsStreams.ts"
import { hasNats } from "../../support/LocalServices.ts"
import { until, untilTrue } from "../../support/Patience.ts"

const client = NatsClient.layer({ servers: "nats://127.0.0.1:4222" })

const randomName = Effect.map(Random.nextIntBetween(0, 2 ** 40), (random) => `relay_${random.toString(36)}`)

/** Takes the streams of a name away at the end. */
const withoutTrace = (name: string) =>
  Layer.effectDiscard(Effect.acquireRelease(NatsClient, (connection) => NatsStreams.remove(connection, name)))

const records = (from: number, to: number, text = "{}"): ReadonlyArray<RelayRecord> =>
  Array.from({ length: to - from }, (_, index) => ({
    session: "a session",
    shard: 0,
    sequence: from + index,
    name: "MESSAGE_CREATE",
    text,
    partition: 0
  }))

const everything = RelayBroker.use(({ read }) =>
  Effect.map(read(new Map([[0, undefined]]), { limit: 10_000, wait: Duration.zero }), ([read]) => read?.entries ?? [])
)

const sequences = Effect.map(everything, (entries) => entries.map(({ id }) => Number(id.split(":").at(-1))))

const acknowledge = (count: number) =>
  Effect.flatMap(everything, (entries) =>
    RelayBroker.use((broker) => broker.acknowledge(new Map([[0, entries.slice(0, count)]])))
  )

const from = (first: number, to: number) => records(first, to).map(({ sequence }) => sequence)

describe.skipIf(!hasNats)("a broker on NATS", () => {
  contract((options) =>
    Layer.unwrap(
      Effect.map(randomName, (name) => Layer.provideMerge(NatsBroker.layer({ name, ...options }), withoutTrace(name)))
    ).pipe(Layer.provide(client))
  )

  it.live("keeps the beginning of a batch that does not fit, in order, and the rest when it is published again", () =>
    Effect.gen(function* () {
      const name = yield* randomName
      yield* Effect.gen(function* () {
        const broker = yield* RelayBroker
        const { streams } = yield* Effect.flatMap(NatsClient, (client) =>
          Effect.promise(() => jetstreamManager(client))
        )
        const limit = (max_msgs: number) => Effect.promise(() => streams.update(namesOf(name).log, { max_msgs }))
        // One is the mark.
        yield* limit(5)
        assert.deepStrictEqual(yield* broker.publish(records(1, 11)), { _tag: "Full", depth: 4 })
        assert.deepStrictEqual(yield* sequences, from(1, 5))
        // Some are acknowledged: they count as published nevertheless.
        yield* acknowledge(3)
        yield* limit(-1)
        assert.deepStrictEqual(yield* broker.publish(records(1, 11)), { _tag: "Written", added: 6, repeated: 4 })
        assert.deepStrictEqual(yield* sequences, from(4, 11))
      }).pipe(Effect.provide(Layer.provideMerge(NatsBroker.layer({ name, partitions: 1 }), withoutTrace(name))))
    }).pipe(Effect.provide(client))
  )

  it.live("takes each record once and in order from two relays that publish the same at once", () =>
    Effect.gen(function* () {
      const name = yield* randomName
      const relay = Effect.forEach(
        Array.from({ length: 20 }, (_, n) => n),
        (n) => RelayBroker.use(({ publish }) => Effect.eventually(publish(records(1 + n * 10, 31 + n * 10)))),
        { discard: true }
      ).pipe(Effect.provide(NatsBroker.layer({ name })))
      yield* Effect.gen(function* () {
        yield* Effect.all([relay, relay, relay], { concurrency: "unbounded" })
        assert.deepStrictEqual(yield* sequences, from(1, 221))
      }).pipe(Effect.provide(Layer.provideMerge(NatsBroker.layer({ name, partitions: 1 }), withoutTrace(name))))
    }).pipe(Effect.provide(client))
  )

  it.live("loses nothing to a read that is interrupted", () =>
    Effect.gen(function* () {
      const name = yield* randomName
      yield* Effect.gen(function* () {
        const broker = yield* RelayBroker
        const read = (after: string | undefined) =>
          broker.read(new Map([[0, after]]), { limit: 5, wait: Duration.minutes(1) })
        const waiting = yield* Effect.forkChild(read(undefined))
        yield* Effect.sleep("50 millis")
        const publishing = yield* Effect.forkChild(broker.publish(records(1, 101)))
        yield* Fiber.interrupt(waiting)
        yield* Fiber.join(publishing)
        const found: Array<string> = []
        let last: string | undefined
        while (found.length < 100) {
          // Every other read is thrown away.
          yield* read(last)
          const [one] = yield* read(last)
          found.push(...(one?.entries ?? []).map(({ id }) => id))
          last = one?.entries.at(-1)?.position ?? last
        }
        assert.deepStrictEqual(
          found,
          from(1, 101).map((sequence) => `a session:0:${sequence}`)
        )
      }).pipe(Effect.provide(Layer.provideMerge(NatsBroker.layer({ name, partitions: 1 }), withoutTrace(name))))
    }).pipe(Effect.provide(client))
  )

  it.live("says that a dispatch is larger than the server takes", () =>
    Effect.gen(function* () {
      const name = yield* randomName
      yield* Effect.gen(function* () {
        const broker = yield* RelayBroker
        const error = yield* Effect.flip(broker.publish(records(1, 2, "x".repeat(2 ** 20))))
        assert.include(error.message, "max_payload")
      }).pipe(Effect.provide(Layer.provideMerge(NatsBroker.layer({ name }), withoutTrace(name))))
    }).pipe(Effect.provide(client))
  )

  it.live(
    "keeps everything while its server is killed, and recognises repetitions of what was acknowledged before",
    () =>
      Effect.gen(function* () {
        const server = yield* Brokers.nats
        const connected = NatsClient.layer({ servers: server.url })
        const broker = NatsBroker.layer({ name: "a bot", partitions: 1 }).pipe(Layer.provide(connected))
        yield* Effect.gen(function* () {
          const { lease, put, texts, publish } = yield* RelayBroker
          yield* publish(records(1, 101))
          yield* acknowledge(100)
          yield* publish(records(101, 201))
          yield* put("a text", "1")
          const [held] = (yield* lease("a consumer", Duration.minutes(1))).held
          yield* server.kill
          yield* server.start
          const written = yield* Effect.eventually(publish(records(1, 211)))
          assert.deepStrictEqual(written, { _tag: "Written", added: 10, repeated: 200 })
          // Acknowledgements of the last moments may be undone, entries not.
          const left = yield* sequences
          assert.deepStrictEqual(left.slice(-110), from(101, 211))
          assert.deepStrictEqual([...(yield* texts)], [["a text", "1"]])
          assert.strictEqual((yield* lease("a consumer", Duration.minutes(1))).held[0]?.epoch, held?.epoch)
        }).pipe(Effect.provide(broker))
        // Another process, after another one.
        yield* server.kill
        yield* server.start
        yield* Effect.gen(function* () {
          const { publish } = yield* RelayBroker
          assert.deepStrictEqual(yield* publish(records(1, 212)), { _tag: "Written", added: 1, repeated: 210 })
        }).pipe(Effect.provide(broker))
      }).pipe(Effect.scoped)
  )

  it.live("takes and hands out everything while one of three servers is killed", () =>
    Effect.gen(function* () {
      const servers = yield* Brokers.natsCluster
      const broker = NatsBroker.layer({ name: "a bot", partitions: 1, replicas: servers.replicas }).pipe(
        Layer.provide(NatsClient.layer({ servers: servers.url.split(",") }))
      )
      yield* Effect.gen(function* () {
        const { publish, read } = yield* RelayBroker
        yield* Effect.eventually(publish(records(1, 101)))
        yield* servers.kill
        yield* Effect.eventually(publish(records(51, 201)))
        const found = new Set<string>()
        let last: string | undefined
        yield* until(
          Effect.map(
            Effect.suspend(() =>
              Effect.eventually(read(new Map([[0, last]]), { limit: 100, wait: Duration.millis(200) }))
            ),
            ([one]) => {
              for (const { id } of one?.entries ?? []) found.add(id)
              last = one?.entries.at(-1)?.position ?? last
              return found.size
            }
          ),
          (size) => size === 200
        )
        assert.deepStrictEqual(
          [...found],
          from(1, 201).map((sequence) => `a session:0:${sequence}`)
        )
      }).pipe(Effect.provide(broker))
    }).pipe(Effect.scoped)
  )

  it.live("begins again at what is not acknowledged when its server is back", () =>
    Effect.gen(function* () {
      const server = yield* Brokers.nats
      const broker = NatsBroker.layer({ name: "a bot", partitions: 1 }).pipe(
        Layer.provide(NatsClient.layer({ servers: server.url }))
      )
      yield* Effect.gen(function* () {
        const { publish, read } = yield* RelayBroker
        const after = (last: string | undefined) =>
          Effect.eventually(read(new Map([[0, last]]), { limit: 10, wait: Duration.millis(200) }))
        yield* publish(records(1, 6))
        const [first] = yield* until(after(undefined), (read) => read[0]?.entries.length === 5)
        const last = first?.entries.at(-1)?.position
        assert.deepStrictEqual(yield* after(last), [])
        yield* acknowledge(3)
        yield* server.kill
        yield* server.start
        yield* Effect.eventually(publish(records(6, 8)))
        const [next] = yield* until(after(last), (read) => read[0]?.entries.at(-1)?.id === "a session:0:7")
        assert.deepStrictEqual(
          next?.entries.slice(-4).map(({ id }) => id),
          from(4, 8).map((sequence) => `a session:0:${sequence}`)
        )
      }).pipe(Effect.provide(broker))
    }).pipe(Effect.scoped)
  )

  it.live("hands out what is written after its server has lost what it had confirmed", () =>
    Effect.gen(function* () {
      const server = yield* Brokers.nats
      const { folder } = server
      const said: Array<string> = []
      const logger = Logger.make<unknown, void>(({ message }) => void said.push(String(message)))
      const broker = NatsBroker.layer({ name: "a bot", partitions: 1 }).pipe(
        Layer.provide(NatsClient.layer({ servers: server.url }))
      )
      yield* Effect.gen(function* () {
        const { follow, post, publish, read } = yield* RelayBroker
        const heard: Array<string> = []
        yield* Effect.forkScoped(
          Stream.runForEach(follow("a channel", { fromStart: true }), ({ text }) => Effect.sync(() => heard.push(text)))
        )
        const after = (last: string | undefined) =>
          Effect.eventually(read(new Map([[0, last]]), { limit: 200, wait: Duration.millis(200) }))
        yield* publish(records(1, 11))
        yield* server.kill
        const saved = join(folder ?? "", "saved")
        cpSync(join(folder ?? "", "jetstream"), saved, { recursive: true })
        yield* server.start
        yield* Effect.eventually(publish(records(11, 101)))
        yield* Effect.forEach(["one", "two", "three"], (text) => Effect.eventually(post("a channel", text)))
        yield* untilTrue(() => heard.length === 3)
        const [all] = yield* until(after(undefined), (read) => read[0]?.entries.length === 100)
        yield* server.kill
        rmSync(join(folder ?? "", "jetstream"), { recursive: true })
        renameSync(saved, join(folder ?? "", "jetstream"))
        yield* server.start
        const confirm = (from: number, to: number) =>
          RelayBroker.use(({ acknowledge }) =>
            Effect.eventually(acknowledge(new Map([[0, all?.entries.slice(from, to) ?? []]])))
          )
        yield* confirm(40, 50)
        // At positions that others had before.
        yield* Effect.eventually(publish(records(101, 151)))
        const [next] = yield* until(
          after(all?.entries.at(-1)?.position),
          (read) => read[0]?.entries.at(-1)?.id === "a session:0:150"
        )
        assert.deepStrictEqual(
          next?.entries.map(({ id }) => id),
          [...from(1, 11), ...from(101, 151)].map((sequence) => `a session:0:${sequence}`)
        )
        // Of those that were read before the loss, only those that are still there.
        yield* confirm(0, 100)
        assert.deepStrictEqual(yield* sequences, from(101, 151))
        yield* Effect.eventually(post("a channel", "four"))
        yield* untilTrue(() => heard.includes("four"))
        assert.isTrue(
          said.some((line) => line.includes("NATS has lost entries")),
          said.join("\n")
        )
      }).pipe(Effect.provide(broker), Effect.scoped, Effect.provide(Logger.layer([logger])))
    }).pipe(Effect.scoped)
  )

  it.live("takes another consumer of the server where one does not give what is there", () =>
    Effect.gen(function* () {
      const name = yield* randomName
      yield* Effect.gen(function* () {
        const broker = yield* RelayBroker
        yield* broker.publish(records(1, 6))
        const api = yield* Effect.flatMap(NatsClient, NatsApi.make)
        const names = namesOf(name)
        // The first one sees nothing, like one whose server lags behind the others.
        const subjects = [names.partition(1)]
        const { read } = yield* NatsReader.make(api, {
          stream: names.log,
          subjectOf: () => subjects.shift() ?? names.partition(0),
          repeats: true
        })
        const found = yield* until(
          read(new Map([["", undefined]]), { limit: 10, wait: Duration.seconds(1) }),
          (read) => read.length > 0
        )
        assert.strictEqual(found[0]?.messages.length, 5)
      }).pipe(Effect.provide(Layer.provideMerge(NatsBroker.layer({ name, partitions: 1 }), withoutTrace(name))))
    }).pipe(Effect.provide(client))
  )
})
