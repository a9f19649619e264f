import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Handlers from "../../../src/gateway/Handlers.ts"
import * as RedisBroker from "../../../src/relay/redis/RedisBroker.ts"
import { RelayBroker } from "../../../src/relay/RelayBroker.ts"
import * as RelayConsumer from "../../../src/relay/RelayConsumer.ts"
import { hasRedis } from "../../support/LocalServices.ts"
import { until, untilTrue } from "../../support/Patience.ts"

const broker = Layer.unwrap(
  Effect.map(Random.nextIntBetween(0, 2 ** 40), (random) =>
    RedisBroker.layer({ name: `balance_${random.toString(36)}` })
  )
).pipe(Layer.provide(NodeRedis.layer({ url: "redis://127.0.0.1:6379", maxConnections: 50 })))

const lease = Duration.seconds(2)

/** A consumer that writes down the sequences of each partition. */
const start = Effect.fnUntraced(function* (name: string, handled: Array<number>) {
  const scope = yield* Scope.make()
  const consumer = yield* RelayConsumer.make(yield* RelayBroker, {
    name,
    beginsAtOnce: true,
    lease,
    capacity: 1024,
    capacityBytes: 2 ** 24,
    onAbandoned: () => Effect.void
  }).pipe(Scope.provide(scope))
  yield* Effect.forkIn(
    Handlers.run(
      { log: consumer.log, flush: () => consumer.flush },
      undefined,
      ({ s }) =>
        Effect.delay(
          Effect.sync(() => void handled.push(s ?? 0)),
          "2 millis"
        ),
      { concurrency: 32, key: ({ s }) => (s ?? 0) % 64 }
    ),
    scope
  )
  return { ...consumer, end: Scope.close(scope, Exit.void) }
})

describe.skipIf(!hasRedis)("consumers on Redis", () => {
  it.live(
    "have their share of the partitions, whenever they come and go under load, and handle each dispatch once",
    () =>
      Effect.gen(function* () {
        const { publish, status } = yield* RelayBroker
        const handled: Array<number> = []
        let sequence = 0
        let isOver = false
        const publishing = Effect.suspend(() => {
          if (isOver) return Effect.void
          return publish(
            Array.from({ length: 8 }, () => {
              const s = ++sequence
              const text = JSON.stringify({ t: "TYPING_START", s, op: 0, d: {} })
              return { session: "a", shard: 0, sequence: s, name: "TYPING_START", text, partition: s % 64 }
            })
          )
        })
        yield* Effect.forkScoped(Effect.repeat(publishing, Schedule.fixed("20 millis")))
        const first = yield* start("1", handled)
        const consumers = [first]
        const areBalanced = () => {
          const counts = consumers.map((consumer) => consumer.partitions())
          const most = Math.ceil(64 / consumers.length)
          return counts.reduce((sum, count) => sum + count, 0) === 64 && counts.every((count) => count <= most)
        }
        const describe = () => consumers.map((consumer) => consumer.partitions()).join(" ")
        yield* untilTrue(areBalanced, describe)
        for (let n = 2; n <= 5; n++) {
          consumers.push(yield* start(String(n), handled))
          if (n % 2 === 1) yield* untilTrue(areBalanced, describe)
        }
        yield* first.end
        consumers.shift()
        yield* untilTrue(areBalanced, describe)
        isOver = true
        yield* until(status, ({ depth }) => depth === 0, describe)
        assert.lengthOf(new Set(handled), sequence)
        for (let partition = 0; partition < 64; partition++) {
          const own = handled.filter((s) => s % 64 === partition)
          assert.deepStrictEqual(
            own,
            own.toSorted((one, other) => one - other)
          )
        }
        // One that ends leaves what it was in the midst of to another.
        assert.isAtMost(handled.length - sequence, 64)
      }).pipe(Effect.scoped, Effect.provide(broker))
  )
})
