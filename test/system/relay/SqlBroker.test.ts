import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import * as Statement from "effect/sql/Statement"
import * as Stream from "effect/Stream"
import { RelayBroker } from "../../../src/relay/RelayBroker.ts"
import type { RelayRecord } from "../../../src/relay/RelayRecord.ts"
import * as SqlBroker from "../../../src/relay/sql/SqlBroker.ts"
import * as SqlNews from "../../../src/services/SqlNews.ts"
import { contract } from "../../relay/BrokerContract.ts"
import * as PostgresSchema from "../../relay/PostgresSchema.ts"
import { hasPostgres } from "../../support/LocalServices.ts"
import { until, untilTrue } from "../../support/Patience.ts"

const recordOf = (session: string, sequence: number): RelayRecord => ({
  session,
  shard: 0,
  sequence,
  name: "TYPING_START",
  text: `{"t":"TYPING_START","s":${sequence},"op":0,"d":{}}`,
  partition: sequence % 4
})

const recordsOf = (session: string, from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => recordOf(session, from + index))

const nowhere = new Map([0, 1, 2, 3].map((partition) => [partition, undefined]))
const noWait = { limit: 1000, wait: Duration.zero }

type Schema = Effect.Success<typeof PostgresSchema.make>

/** A process of its own: a broker with its own connections. */
const processOf = (schema: Schema, capacity?: number, parameters?: Readonly<Record<string, string>>) =>
  Effect.map(
    Layer.build(
      Layer.fresh(
        SqlBroker.layer({ name: "a bot", partitions: 4, capacity }).pipe(Layer.provide(schema.client(parameters)))
      )
    ),
    (context) => Context.get(context, RelayBroker)
  )

/** Ids of everything that is there, of one partition after the other. */
const idsIn = (broker: RelayBroker["Service"]) =>
  Effect.map(broker.read(nowhere, noWait), (read) => read.flatMap(({ entries }) => entries.map(({ id }) => id)))

/** Holds the row of a session, so that whoever publishes of it stops in the middle of the statement. */
const holding = <A, E, R>(schema: Schema, session: string, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    return yield* sql.withTransaction(
      Effect.andThen(
        sql`SELECT * FROM disruption_gateway_relay_sequences WHERE session = ${`${session}:0`} FOR UPDATE`,
        effect
      )
    )
  }).pipe(Effect.provide(Layer.fresh(schema.client())))

/** Tries until it is done. */
const again = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.retry(effect, Schedule.spaced("20 millis"))

/** Count of the statements of a schema's clients that wait for a lock. */
const blocked = ({ name }: Schema) =>
  Effect.map(
    PostgresSchema.administer(
      `SELECT 1 FROM pg_stat_activity WHERE application_name = '${name}' AND wait_event_type = 'Lock'`
    ),
    ({ length }) => length
  )

describe.skipIf(!hasPostgres)("a broker on PostgreSQL", () => {
  contract((options) =>
    Layer.unwrap(
      Effect.map(PostgresSchema.make, ({ client }) =>
        SqlBroker.layer({ name: "a bot", ...options }).pipe(Layer.provide(client()))
      )
    )
  )

  it.live("shows no entry before one that another relay had begun to write earlier", () =>
    Effect.gen(function* () {
      const schema = yield* PostgresSchema.make
      const [one, other] = [yield* processOf(schema), yield* processOf(schema)]
      yield* one.publish([recordOf("one", 4)])
      const before = yield* one.read(nowhere, noWait)
      const position = before[0]?.entries[0]?.position
      const writing = yield* holding(
        schema,
        "one",
        Effect.gen(function* () {
          const first = yield* Effect.forkScoped(one.publish([recordOf("one", 8)]))
          yield* until(blocked(schema), (count) => count === 1)
          const second = yield* Effect.forkScoped(other.publish([recordOf("other", 4)]))
          yield* until(blocked(schema), (count) => count === 2)
          assert.deepStrictEqual(yield* other.read(new Map([[0, position]]), noWait), [])
          return [first, second]
        })
      )
      yield* Fiber.joinAll(writing)
      assert.deepStrictEqual(yield* idsIn(other), ["one:0:4", "one:0:8", "other:0:4"])
    }).pipe(Effect.scoped)
  )

  it.live("leaves out what a relay that was killed is still writing", () =>
    Effect.gen(function* () {
      const schema = yield* PostgresSchema.make
      const [killed, next] = [yield* processOf(schema), yield* processOf(schema)]
      yield* killed.publish([recordOf("one", 1)])
      const writing = yield* holding(
        schema,
        "one",
        Effect.gen(function* () {
          const first = yield* Effect.forkScoped(killed.publish(recordsOf("one", 1, 11)))
          yield* until(blocked(schema), (count) => count === 1)
          const second = yield* Effect.forkScoped(next.publish(recordsOf("one", 1, 21)))
          yield* until(blocked(schema), (count) => count === 2)
          return [first, second]
        })
      )
      assert.deepStrictEqual(yield* Fiber.joinAll(writing), [
        { _tag: "Written", added: 9, repeated: 1 },
        { _tag: "Written", added: 10, repeated: 10 }
      ])
    }).pipe(Effect.scoped)
  )

  it.live("brings a reader everything in order while several relays write at once", () =>
    Effect.gen(function* () {
      const schema = yield* PostgresSchema.make
      const reader = yield* processOf(schema)
      const after = new Map<number, string | undefined>(nowhere)
      const read: Array<string> = []
      const reading = Effect.gen(function* () {
        while (read.length < 4 * 400) {
          for (const { entries, partition } of yield* reader.read(after, { limit: 50, wait: Duration.seconds(1) })) {
            for (const { id } of entries) read.push(id)
            after.set(partition, entries.at(-1)?.position)
          }
        }
      })
      const relays = ["a", "b", "c", "d"].map(
        Effect.fnUntraced(function* (session) {
          const broker = yield* processOf(schema)
          for (let at = 1; at <= 400; at += 10) yield* broker.publish(recordsOf(session, at, at + 10))
        })
      )
      yield* Effect.all([reading, ...relays], { concurrency: "unbounded" })
      for (const session of ["a", "b", "c", "d"]) {
        for (let partition = 0; partition < 4; partition++) {
          const own = read
            .filter((id) => id.startsWith(session))
            .map((id) => Number(id.split(":")[2]))
            .filter((sequence) => sequence % 4 === partition)
          assert.deepStrictEqual(
            own,
            Array.from({ length: 100 }, (_, index) => index * 4 + (partition === 0 ? 4 : partition))
          )
        }
      }
    }).pipe(Effect.scoped)
  )

  it.live("has written all or nothing when the connection is killed in the middle", () =>
    Effect.gen(function* () {
      const schema = yield* PostgresSchema.make
      const broker = yield* processOf(schema)
      yield* broker.publish(recordsOf("one", 1, 11))
      const failure = yield* holding(
        schema,
        "one",
        Effect.gen(function* () {
          const writing = yield* Effect.forkChild(Effect.flip(broker.publish(recordsOf("one", 6, 21))))
          yield* until(blocked(schema), (count) => count === 1)
          yield* schema.killConnections
          return yield* Fiber.join(writing)
        })
      ).pipe(
        // The one that held the row is killed, too.
        Effect.catchTag("SqlError", () => Effect.void)
      )
      if (failure !== undefined) assert.strictEqual(failure._tag, "disruption-gateway/RelayBrokerError")
      assert.lengthOf(yield* again(idsIn(broker)), 10)
      assert.deepStrictEqual(yield* broker.publish(recordsOf("one", 6, 21)), {
        _tag: "Written",
        added: 10,
        repeated: 5
      })
      assert.lengthOf(yield* idsIn(broker), 20)
    }).pipe(Effect.scoped)
  )

  it.live("loses and doubles nothing, and goes on with its news, while connections are killed again and again", () =>
    Effect.gen(function* () {
      const schema = yield* PostgresSchema.make
      const [relay, consumer] = [yield* processOf(schema), yield* processOf(schema)]
      const count = 600
      const messages = yield* Effect.forkChild(
        Stream.runCollect(Stream.take(consumer.follow("a channel", { fromStart: true }), count / 20))
      )
      const writing = Effect.gen(function* () {
        for (let at = 1; at <= count; at += 20) {
          yield* again(relay.publish(recordsOf("one", at, at + 20)))
          yield* again(relay.post("a channel", String(at)))
          if (at % 100 === 1) yield* schema.killConnections
        }
      })
      const after = new Map<number, string | undefined>(nowhere)
      const read: Array<number> = []
      const reading = Effect.gen(function* () {
        while (read.length < count) {
          const all = yield* again(consumer.read(after, { limit: 50, wait: Duration.seconds(1) }))
          for (const { entries, partition } of all) {
            for (const { id } of entries) read.push(Number(id.split(":")[2]))
            after.set(partition, entries.at(-1)?.position)
            yield* again(consumer.acknowledge(new Map([[partition, entries]])))
          }
        }
      })
      yield* Effect.all([reading, writing], { concurrency: "unbounded" })
      for (let partition = 0; partition < 4; partition++) {
        assert.deepStrictEqual(
          read.filter((sequence) => sequence % 4 === partition),
          Array.from({ length: count / 4 }, (_, index) => index * 4 + (partition === 0 ? 4 : partition))
        )
      }
      assert.deepInclude(yield* again(consumer.status), { depth: 0 })
      // One whose answer was lost may be there twice: calls have ids.
      const texts = new Set((yield* Fiber.join(messages)).map(({ text }) => text))
      assert.isAbove(texts.size, count / 40)
    }).pipe(Effect.scoped)
  )

  it.live("finds what it is not told of: by looking now and then, and soon where it knows that it hears nothing", () =>
    Effect.gen(function* () {
      const schema = yield* PostgresSchema.make
      const relay = yield* processOf(schema)
      const readerOn = (change: (client: SqlClient.SqlClient) => object) =>
        Effect.map(
          Layer.build(
            Layer.fresh(
              SqlBroker.layer({ name: "a bot" }).pipe(
                Layer.provide(
                  Layer.effect(
                    SqlClient.SqlClient,
                    Effect.map(SqlClient.SqlClient, (client) => Object.assign(client, change(client)))
                  )
                ),
                Layer.provide(schema.client())
              )
            )
          ),
          (context) => Context.get(context, RelayBroker)
        )
      let listening = 0
      // A connection that is gone without a word, and then one that is not.
      const deaf = yield* readerOn((client) => {
        if (!SqlNews.isNotifying(client)) return {}
        const { listen } = client
        return { listen: (channel: string) => (listening++ === 0 ? Queue.unbounded() : listen(channel)) }
      })
      const without = yield* readerOn((client) => (Reflect.deleteProperty(client, "listen"), {}))
      const reading = (broker: RelayBroker["Service"], after: string | undefined) =>
        Effect.forkScoped(broker.read(new Map([[0, after]]), { limit: 10, wait: Duration.minutes(1) }))
      yield* untilTrue(() => listening >= 1)
      const readings = [yield* reading(deaf, undefined), yield* reading(without, undefined)]
      yield* relay.publish([recordOf("one", 4)])
      const [first, second] = yield* Fiber.joinAll(readings)
      assert.deepStrictEqual(first, second)
      assert.strictEqual(first?.[0]?.entries.length, 1)
      yield* untilTrue(() => listening > 1)
      const next = yield* reading(deaf, first?.[0]?.entries[0]?.position)
      yield* relay.publish([recordOf("one", 8)])
      assert.strictEqual((yield* Fiber.join(next))[0]?.entries[0]?.id, "one:0:8")
    }).pipe(Effect.scoped)
  )

  it.live("gives a partition under one epoch to one consumer, however many ask at once", () =>
    Effect.gen(function* () {
      const schema = yield* PostgresSchema.make
      const brokers = [yield* processOf(schema), yield* processOf(schema)]
      const holders = new Map<string, string>()
      const consumer = Effect.fnUntraced(function* (name: string, broker: RelayBroker["Service"] | undefined) {
        if (broker === undefined) return
        for (let turn = 0; turn < 20; turn++) {
          const { held } = yield* broker.lease(name, Duration.millis(yield* Random.nextIntBetween(1, 40)))
          for (const { epoch, partition } of held) {
            const key = `${partition} ${epoch}`
            assert.strictEqual(holders.get(key) ?? name, name)
            holders.set(key, name)
          }
          if (turn % 3 === 0) yield* broker.release(name, held)
        }
      })
      yield* Effect.forEach(
        Array.from({ length: 8 }, (_, index) => index),
        (index) => consumer(`consumer ${index}`, brokers[index % 2]),
        { concurrency: "unbounded" }
      )
      assert.isAbove(holders.size, 8)
    }).pipe(Effect.scoped)
  )

  it.live("is full for all relays together, and has room again by whatever takes entries out", () =>
    Effect.gen(function* () {
      const schema = yield* PostgresSchema.make
      const [one, other] = [yield* processOf(schema, 10), yield* processOf(schema, 10)]
      yield* one.publish(recordsOf("one", 1, 9))
      assert.deepInclude(yield* other.publish(recordsOf("other", 1, 9)), { _tag: "Written", added: 8 })
      assert.deepStrictEqual(yield* one.publish(recordsOf("one", 9, 17)), { _tag: "Full", depth: 16 })
      // By a consumer in another language.
      yield* PostgresSchema.administer(
        `DELETE FROM ${schema.name}.disruption_gateway_relay_entries WHERE partition < 2`
      )
      assert.deepInclude(yield* one.publish(recordsOf("one", 9, 17)), { _tag: "Written", added: 8 })
      assert.deepStrictEqual(yield* other.publish(recordsOf("other", 9, 17)), { _tag: "Full", depth: 16 })
    }).pipe(Effect.scoped)
  )

  it.live("reads, and says why it does not write, where the database is read-only", () =>
    Effect.gen(function* () {
      const schema = yield* PostgresSchema.make
      const relay = yield* processOf(schema)
      yield* relay.publish(recordsOf("one", 1, 9))
      const reader = yield* processOf(schema, undefined, { default_transaction_read_only: "on" })
      assert.lengthOf(yield* idsIn(reader), 8)
      const { message } = yield* Effect.flip(reader.publish(recordsOf("one", 9, 17)))
      assert.include(message, "read-only transaction")
      assert.deepInclude(yield* relay.publish(recordsOf("one", 9, 17)), { added: 8, repeated: 0 })
    }).pipe(Effect.scoped)
  )

  it.live("leaves out what it has even where the sequence of its session was cleared away meanwhile", () =>
    Effect.gen(function* () {
      const schema = yield* PostgresSchema.make
      const relay = yield* processOf(schema)
      yield* relay.publish(recordsOf("one", 1, 5))
      yield* PostgresSchema.administer(`DELETE FROM ${schema.name}.disruption_gateway_relay_sequences`)
      assert.deepInclude(yield* relay.publish(recordsOf("one", 5, 9)), { added: 4, repeated: 0 })
      assert.deepInclude(yield* relay.publish(recordsOf("one", 5, 9)), { added: 0, repeated: 4 })
    }).pipe(Effect.scoped)
  )

  it.live("is opened by several at once, keeps its partitions, and refuses the tables of a later release", () =>
    Effect.gen(function* () {
      const schema = yield* PostgresSchema.make
      const open = (partitions: number) =>
        Effect.map(
          Layer.build(Layer.fresh(SqlBroker.layer({ name: "a bot", partitions }).pipe(Layer.provide(schema.client())))),
          (context) => Context.get(context, RelayBroker).partitions
        )
      const opened = yield* Effect.forEach([3, 3, 3, 3], open, { concurrency: "unbounded" })
      assert.deepStrictEqual(opened, [3, 3, 3, 3])
      assert.strictEqual(yield* open(5), 3)
      yield* PostgresSchema.administer(`UPDATE ${schema.name}.disruption_gateway_relay_schema SET version = 2`)
      const { message } = yield* Effect.flip(open(3))
      assert.include(message, "its tables are of version 2, which a later release has made")
    }).pipe(Effect.scoped)
  )
})

describe("a broker on another SQL database", () => {
  it.effect("is refused in clear words", () =>
    Effect.gen(function* () {
      const sqlite = Layer.effect(
        SqlClient.SqlClient,
        SqlClient.make({
          acquirer: Effect.die("not asked"),
          compiler: Statement.makeCompilerSqlite(),
          driver: "sqlite",
          spanAttributes: []
        })
      ).pipe(Layer.provide(Reactivity.layer))
      const { message } = yield* Effect.flip(Layer.build(Layer.provide(SqlBroker.layer({ name: "a bot" }), sqlite)))
      assert.include(message, "PostgreSQL alone")
    }).pipe(Effect.scoped)
  )
})
