/**
 * What relays and consumers take for granted of a broker, whichever it is.
 */
import { assert, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { type BrokerOptions, RelayBroker } from "../../src/relay/RelayBroker.ts"
import type { RelayEntry, RelayRecord } from "../../src/relay/RelayRecord.ts"
import { until } from "../support/Patience.ts"

const record = (sequence: number, partition = sequence % 4, session = "a session"): RelayRecord => ({
  session,
  shard: 3,
  sequence,
  name: "MESSAGE_CREATE",
  text: JSON.stringify({ t: "MESSAGE_CREATE", s: sequence, op: 0, d: { text: "žluťoučký 🐎\r\n" } }),
  partition
})

const records = (from: number, to: number, session?: string) =>
  Array.from({ length: to - from }, (_, index) => record(from + index, undefined, session))

const noWait = { limit: 1000, wait: Duration.zero }

const everything = Effect.gen(function* () {
  const broker = yield* RelayBroker
  const all = new Map(Array.from({ length: broker.partitions }, (_, partition) => [partition, undefined]))
  return yield* broker.read(all, noWait)
})

/** So many entries of a partition, however many reads they take. */
const readOf = Effect.fnUntraced(function* (partition: number, after: string | undefined, count: number) {
  const broker = yield* RelayBroker
  const entries: Array<RelayEntry> = []
  while (entries.length < count) {
    const [read] = yield* broker.read(new Map([[partition, entries.at(-1)?.position ?? after]]), {
      limit: count - entries.length,
      wait: Duration.minutes(1)
    })
    entries.push(...(read?.entries ?? []))
  }
  return entries
})

/** Registers the tests. Each name is of a broker of its own. */
export const contract = (layerOf: (options: Omit<BrokerOptions, "name">) => Layer.Layer<RelayBroker, unknown>) => {
  const test = (
    name: string,
    body: Effect.Effect<void, unknown, RelayBroker>,
    options: Omit<BrokerOptions, "name"> = {}
  ) => it.live(name, () => Effect.provide(body, layerOf({ partitions: 4, ...options })))

  test(
    "keeps what is published in order until it is acknowledged",
    Effect.gen(function* () {
      const broker = yield* RelayBroker
      assert.deepStrictEqual(yield* broker.publish(records(1, 101)), { _tag: "Written", added: 100, repeated: 0 })
      const read = yield* everything
      assert.deepStrictEqual(read.map(({ partition }) => partition).toSorted(), [0, 1, 2, 3])
      for (const { entries, partition } of read) {
        const sequences = records(1, 101).filter((one) => one.partition === partition)
        assert.deepStrictEqual(
          entries.map(({ id, name, text, version }) => ({ id, name, text, version })),
          sequences.map(({ name, sequence, text }) => ({ id: `a session:3:${sequence}`, name, text, version: 1 }))
        )
      }
      // In any order.
      const [first] = read
      const positions = first?.entries.map(({ position }) => position) ?? []
      const every2nd = first?.entries.filter((_, index) => index % 2 === 1) ?? []
      yield* broker.acknowledge(new Map([[first?.partition ?? 0, every2nd]]))
      const rest = (yield* everything).find(({ partition }) => partition === first?.partition)
      assert.deepStrictEqual(
        rest?.entries.map(({ position }) => position),
        positions.filter((_, index) => index % 2 === 0)
      )
      assert.deepInclude(yield* broker.status, { depth: 100 - Math.floor(positions.length / 2) })
    })
  )

  test(
    "leaves out what it has already, of each session and shard",
    Effect.gen(function* () {
      const broker = yield* RelayBroker
      yield* broker.publish(records(1, 11))
      assert.deepStrictEqual(yield* broker.publish(records(6, 16)), { _tag: "Written", added: 5, repeated: 5 })
      // What is acknowledged is not there again, either.
      for (const { entries, partition } of yield* everything) {
        yield* broker.acknowledge(new Map([[partition, entries]]))
      }
      assert.deepStrictEqual(yield* broker.publish(records(1, 16)), { _tag: "Written", added: 0, repeated: 15 })
      assert.deepStrictEqual(yield* broker.publish(records(1, 16, "another session")), {
        _tag: "Written",
        added: 15,
        repeated: 0
      })
      assert.deepStrictEqual(
        yield* broker.publish([record(16), record(16, undefined, "another session"), record(17)]),
        {
          _tag: "Written",
          added: 3,
          repeated: 0
        }
      )
    })
  )

  test(
    "takes no more than it may hold, and all again once something is acknowledged",
    Effect.gen(function* () {
      const broker = yield* RelayBroker
      yield* broker.publish(records(1, 11))
      assert.deepStrictEqual(yield* broker.publish(records(11, 12)), { _tag: "Full", depth: 10 })
      const [first] = yield* everything
      yield* broker.acknowledge(new Map([[first?.partition ?? 0, first?.entries.slice(0, 1) ?? []]]))
      assert.deepInclude(yield* broker.publish(records(11, 12)), { _tag: "Written", added: 1 })
    }),
    { capacity: 10 }
  )

  test(
    "hands out what comes while it is waited for, and what is behind a position",
    Effect.gen(function* () {
      const broker = yield* RelayBroker
      const reading = yield* Effect.forkChild(readOf(1, undefined, 2))
      yield* Effect.sleep("50 millis")
      yield* broker.publish([record(1), record(5), record(9)])
      const read = yield* Fiber.join(reading)
      assert.deepStrictEqual(
        read.map(({ id }) => id),
        ["a session:3:1", "a session:3:5"]
      )
      const [rest] = yield* broker.read(new Map([[1, read[1]?.position]]), noWait)
      assert.deepStrictEqual(
        rest?.entries.map(({ id }) => id),
        ["a session:3:9"]
      )
      assert.deepStrictEqual(
        yield* broker.read(new Map([[1, rest?.entries[0]?.position]]), { limit: 1, wait: Duration.millis(10) }),
        []
      )
    })
  )

  test(
    "leases each partition to one consumer at a time, and spreads them",
    Effect.gen(function* () {
      const broker = yield* RelayBroker
      const time = Duration.minutes(1)
      const numbers = ({ held }: { readonly held: ReadonlyArray<{ readonly partition: number }> }) =>
        held.map(({ partition }) => partition)
      const first = yield* broker.lease("a", time)
      assert.deepStrictEqual(numbers(first), [0, 1, 2, 3])
      assert.deepStrictEqual(yield* broker.lease("b", time), { held: [], surplus: 0 })
      const again = yield* broker.lease("a", time)
      assert.strictEqual(again.surplus, 2)
      assert.deepStrictEqual(
        again.held.map(({ epoch }) => epoch),
        first.held.map(({ epoch }) => epoch)
      )
      yield* broker.release("a", first.held.slice(0, 2))
      const second = yield* broker.lease("b", time)
      assert.deepStrictEqual(numbers(second), [0, 1])
      assert.isTrue(second.held.every(({ epoch, losses }) => epoch === 2 && losses === 0))
      // A release of an earlier epoch, which was late, is none.
      yield* broker.release("a", first.held.slice(0, 1))
      assert.deepStrictEqual(numbers(yield* broker.lease("b", time)), [0, 1])
      assert.deepInclude(yield* broker.status, { consumers: 2 })
      yield* broker.release("b", second.held)
      yield* broker.leave("b")
      assert.deepStrictEqual(numbers(yield* broker.lease("a", time)), [0, 1, 2, 3])
    })
  )

  test(
    "gives the partitions of a consumer that is not heard of to others, and counts the loss until something is acknowledged",
    Effect.gen(function* () {
      const broker = yield* RelayBroker
      yield* broker.publish([record(4), record(8)])
      yield* broker.lease("a", Duration.millis(50))
      const held = yield* until(broker.lease("b", Duration.millis(50)), ({ held }) => held.length === 4)
      assert.isTrue(held.held.every(({ losses }) => losses === 1))
      const [read] = yield* everything
      assert.strictEqual(held.held[0]?.last, read?.entries.at(-1)?.position)
      const next = yield* until(broker.lease("c", Duration.millis(50)), ({ held }) => held.length === 4)
      assert.isTrue(next.held.every(({ losses }) => losses === 2))
      yield* broker.acknowledge(new Map([[0, read?.entries.slice(0, 1) ?? []]]))
      const last = yield* until(broker.lease("d", Duration.minutes(1)), ({ held }) => held.length === 4)
      assert.deepStrictEqual(
        last.held.map(({ losses }) => losses),
        [1, 3, 3, 3]
      )
    })
  )

  test(
    "brings the messages of a channel to all who follow it, and gives each to one who claims it",
    Effect.gen(function* () {
      const broker = yield* RelayBroker
      yield* broker.post("a channel", "1")
      const texts = (fromStart: boolean, count: number) =>
        Effect.forkChild(
          broker.follow("a channel", { fromStart }).pipe(
            Stream.take(count),
            Stream.runCollect,
            Effect.map((messages) => messages.map(({ position, text }) => ({ position, text })))
          )
        )
      const whole = yield* texts(true, 3)
      const fromNow = yield* texts(false, 2)
      yield* Effect.sleep("100 millis")
      yield* broker.post("a channel", "2")
      yield* broker.post("another channel", "x")
      yield* broker.post("a channel", "3")
      const all = yield* Fiber.join(whole)
      assert.deepStrictEqual(
        all.map(({ text }) => text),
        ["1", "2", "3"]
      )
      assert.deepStrictEqual(
        (yield* Fiber.join(fromNow)).map(({ text }) => text),
        ["2", "3"]
      )
      const claims = yield* Effect.forEach([1, 2, 3], () => broker.claim("a channel", all[1]?.position ?? ""), {
        concurrency: "unbounded"
      })
      assert.strictEqual(claims.filter((isMine) => isMine).length, 1)
    })
  )

  test(
    "keeps dead letters and texts",
    Effect.gen(function* () {
      const broker = yield* RelayBroker
      const letter = { id: "a:0:1", name: "READY", text: "{}", cause: "a cause,\nof two lines", attempts: 2 }
      yield* broker.setAside(letter)
      yield* broker.setAside({ ...letter, id: "a:0:2" })
      assert.deepStrictEqual(yield* broker.deadLetters(10), [letter, { ...letter, id: "a:0:2" }])
      assert.deepStrictEqual(yield* broker.deadLetters(1), [{ ...letter, id: "a:0:2" }])
      yield* broker.put("one", "1")
      yield* broker.put("one", "2")
      yield* broker.put("two", "3")
      yield* broker.remove("two")
      assert.deepStrictEqual([...(yield* broker.texts)], [["one", "2"]])
    })
  )
}
