import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as ClusterShardId from "effect/cluster/ShardId"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as SqlRunnerStorage from "effect/cluster/SqlRunnerStorage"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Tracer from "effect/Tracer"
import { shardingConfig } from "../../../src/cluster/ClusterTiming.ts"
import * as ClusterNews from "../../../src/cluster/ClusterNews.ts"
import * as SqlLocks from "../../../src/cluster/SqlLocks.ts"
import * as Database from "../../cluster/Database.ts"
import { hasPostgres } from "../../support/LocalServices.ts"

const addressOf = (port: number) => RunnerAddress.make("127.0.0.1", port)
const locks = Array.from({ length: 100 }, (_, id) => ClusterShardId.make("default", id + 1))

const lockStore = (databaseUrl: string, prefix: string) =>
  SqlLocks.layer(prefix, "5 seconds").pipe(
    Layer.provide(SqlRunnerStorage.layer),
    Layer.provide(ClusterNews.layer("cluster")),
    Layer.provide([ShardingConfig.layer(shardingConfig()), PgClient.layer({ url: Redacted.make(databaseUrl) })])
  )

describe.skipIf(!hasPostgres)("locks in PostgreSQL", () => {
  it.live("that a machine gives up at the same moment are given up by one statement, and only those", () => {
    const statements: Array<string> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        statements.push(options.name)
        return span
      }
    })
    return Effect.gen(function* () {
      const database = yield* Database.make
      yield* Effect.gen(function* () {
        const storage = yield* RunnerStorage.RunnerStorage
        yield* storage.acquire(addressOf(1), locks)
        statements.length = 0
        yield* Effect.forEach(locks.slice(1), (lock) => storage.release(addressOf(1), lock), {
          concurrency: "unbounded"
        }).pipe(Effect.withTracer(tracer))
        assert.strictEqual(statements.length, 1)
        assert.strictEqual((yield* storage.acquire(addressOf(2), locks)).length, locks.length - 1)
      }).pipe(Effect.provide(lockStore(database.url(), "cluster")))
    })
  })

  it.live("are taken and given up in the engine's way where the rows are elsewhere", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      yield* Effect.gen(function* () {
        const storage = yield* RunnerStorage.RunnerStorage
        const few = locks.slice(0, 3)
        yield* storage.acquire(addressOf(1), few)
        yield* Effect.forEach(few, (lock) => storage.release(addressOf(1), lock), { concurrency: "unbounded" })
        assert.strictEqual((yield* storage.acquire(addressOf(2), few)).length, few.length)
      }).pipe(Effect.provide(lockStore(database.url(), "elsewhere")))
    })
  )

  it.live("are taken as soon as the machine that has them gives them up, and not before", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      yield* Effect.gen(function* () {
        const storage = yield* RunnerStorage.RunnerStorage
        yield* storage.acquire(addressOf(1), locks)
        assert.deepStrictEqual(yield* storage.acquire(addressOf(2), locks), [])
        const taking = yield* Effect.forkChild(storage.acquire(addressOf(2), locks))
        yield* Effect.forEach(locks, (lock) => storage.release(addressOf(1), lock), { concurrency: "unbounded" })
        assert.strictEqual((yield* Fiber.join(taking)).length, locks.length)
        assert.deepStrictEqual(yield* storage.refresh(addressOf(1), locks), [])
      }).pipe(Effect.provide(lockStore(database.url(), "cluster")))
    })
  )

  it.live("are taken, refreshed and given up for two thousand parts", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      const many = Array.from({ length: 2000 }, (_, id) => ClusterShardId.make("default", id + 1))
      yield* Effect.gen(function* () {
        const storage = yield* RunnerStorage.RunnerStorage
        assert.strictEqual((yield* storage.acquire(addressOf(1), many)).length, many.length)
        assert.strictEqual((yield* storage.refresh(addressOf(1), many)).length, many.length)
        assert.deepStrictEqual(yield* storage.acquire(addressOf(2), many), [])
        yield* Effect.forEach(many.slice(1), (lock) => storage.release(addressOf(1), lock), {
          concurrency: "unbounded"
        })
        yield* storage.releaseAll(addressOf(1))
        assert.strictEqual((yield* storage.acquire(addressOf(2), many)).length, many.length)
      }).pipe(Effect.provide(lockStore(database.url(), "cluster")))
    })
  )
})
