import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as SqlIdentifyTurns from "../../../src/cluster/SqlIdentifyTurns.ts"
import * as SkewedClock from "../../simulation/SkewedClock.ts"
import * as Database from "../../cluster/Database.ts"
import { hasPostgres } from "../../support/LocalServices.ts"
import { until } from "../../support/Patience.ts"

describe.skipIf(!hasPostgres)("turns to IDENTIFY in PostgreSQL", () => {
  it.live("are given to one of all machines that ask at the same time, and to the next when it has passed", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      const machine = Layer.build(Layer.fresh(PgClient.layer({ url: Redacted.make(database.url()) }))).pipe(
        Effect.flatMap((context) => Effect.provide(SqlIdentifyTurns.make, context))
      )
      const machines = yield* Effect.forEach([1, 2, 3], () => machine)
      const askAll = (key: string, time: Duration.Duration) =>
        Effect.forEach([...machines, ...machines, ...machines], (take) => take(key, time), { concurrency: "unbounded" })

      const waits = yield* askAll("long", Duration.hours(1))
      assert.strictEqual(waits.filter(Duration.isZero).length, 1)
      for (const wait of waits) assert.isTrue(Duration.isLessThanOrEqualTo(wait, Duration.hours(1)))

      const time = Duration.millis(300)
      const start = yield* Clock.currentTimeMillis
      assert.isTrue((yield* askAll("short", time)).some(Duration.isZero))
      yield* until(askAll("short", time), (waits) => waits.some(Duration.isZero))
      assert.isAtLeast((yield* Clock.currentTimeMillis) - start, Duration.toMillis(time) - 1)
    })
  )

  it.live("follow the database's clock: a machine a minute ahead or behind gets no turn sooner or later", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      const takeOf = (skew: number) =>
        Effect.gen(function* () {
          const clock = SkewedClock.make(yield* Clock.Clock)
          clock.jump(skew)
          const client = Layer.build(Layer.fresh(PgClient.layer({ url: Redacted.make(database.url()) })))
          const take = yield* Effect.flatMap(client, (context) => Effect.provide(SqlIdentifyTurns.make, context))
          return (key: string) => Effect.provideService(take(key, Duration.seconds(50)), Clock.Clock, clock)
        })
      const [exact, ahead, behind] = yield* Effect.all([takeOf(0), takeOf(60_000), takeOf(-60_000)])
      for (const [index, [first, second]] of (
        [
          [exact, ahead],
          [ahead, exact],
          [exact, behind],
          [behind, exact]
        ] as const
      ).entries()) {
        const key = `pair ${index}`
        assert.isTrue(Duration.isZero(yield* first(key)))
        const wait = Duration.toMillis(yield* second(key))
        assert.isAbove(wait, 0)
        assert.isAtMost(wait, 50_000)
      }
    })
  )
})
