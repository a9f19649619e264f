import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as OwnerFile from "../../../src/node/OwnerFile.ts"
import { SessionHolder } from "../../../src/schema/SessionHolder.ts"
import { OwnerStore } from "../../../src/services/OwnerStore.ts"
import * as RedisOwner from "../../../src/services/RedisOwner.ts"
import * as SqlOwner from "../../../src/services/SqlOwner.ts"
import * as Database from "../../cluster/Database.ts"
import { hasPostgres, hasRedis } from "../../support/LocalServices.ts"
import { until } from "../../support/Patience.ts"

const inPostgres = Effect.map(Database.make, (database) =>
  Layer.orDie(SqlOwner.layer("proof").pipe(Layer.provide(PgClient.layer({ url: Redacted.make(database.url()) }))))
)
const inRedis = Effect.map(Random.nextIntBetween(0, 2 ** 40), (random) =>
  RedisOwner.layer(`proof_${random.toString(36)}`).pipe(
    Layer.provide(NodeRedis.layer({ url: "redis://127.0.0.1:6379" }))
  )
)
const inFile = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  return OwnerFile.layer(`${yield* files.makeTempDirectoryScoped()}/sessions.json`).pipe(
    Layer.provide(NodeFileSystem.layer)
  )
}).pipe(Effect.provide(NodeFileSystem.layer))

const claimOf = (token: string, lease: number, epoch?: number) => ({
  token,
  lease,
  epoch,
  holder: new SessionHolder({ host: "a-host", pid: process.pid, since: DateTime.makeUnsafe(0) })
})
const aMinute = 60_000

for (const { isThere, make, name } of [
  { name: "a file", isThere: true, make: inFile },
  { name: "PostgreSQL", isThere: hasPostgres, make: inPostgres },
  { name: "Redis", isThere: hasRedis, make: inRedis }
]) {
  describe.skipIf(!isThere)(`the owner in ${name}`, () => {
    const instances = Effect.map(make, (layer) =>
      Effect.map(Layer.build(Layer.fresh(layer)), (context) => Context.get(context, OwnerStore))
    )

    it.live("is one, keeps its epoch while it renews, and is followed under the next one when it lets go", () =>
      Effect.gen(function* () {
        const instance = yield* instances
        const [one, two] = [yield* instance, yield* instance]
        assert.deepStrictEqual(yield* one.claim(claimOf("one", aMinute)), { _tag: "Granted", epoch: 1 })
        const { holder } = claimOf("one", aMinute)
        assert.deepStrictEqual(yield* two.claim(claimOf("two", aMinute)), { _tag: "Held", by: holder })
        yield* two.release("two")
        assert.deepStrictEqual(yield* one.claim(claimOf("one", aMinute)), { _tag: "Granted", epoch: 1 })
        assert.deepStrictEqual(yield* one.claim(claimOf("one", aMinute, 1)), { _tag: "Granted", epoch: 1 })
        yield* one.release("one")
        assert.deepStrictEqual(yield* two.claim(claimOf("two", aMinute)), { _tag: "Granted", epoch: 2 })
        assert.strictEqual((yield* one.claim(claimOf("one", aMinute)))._tag, "Held")
      })
    )

    it.live("is followed when its lease has run out, and finds out, though the other one has gone again", () =>
      Effect.gen(function* () {
        const instance = yield* instances
        const [one, two] = [yield* instance, yield* instance]
        yield* one.claim(claimOf("one", 50))
        yield* until(
          two.claim(claimOf("two", 50)),
          ({ _tag }) => _tag === "Granted",
          () => "it was not followed"
        )
        yield* two.release("two")
        assert.strictEqual((yield* one.claim(claimOf("one", aMinute, 1)))._tag, "Held")
      })
    )

    it.live("takes nothing by a renewal that comes after it has let go", () =>
      Effect.gen(function* () {
        const instance = yield* instances
        const [one, two] = [yield* instance, yield* instance]
        yield* one.claim(claimOf("one", aMinute))
        yield* one.release("one")
        assert.strictEqual((yield* one.claim(claimOf("one", aMinute, 1)))._tag, "Held")
        assert.deepStrictEqual(yield* two.claim(claimOf("two", aMinute)), { _tag: "Granted", epoch: 2 })
      })
    )

    it.live("lets go, whatever renewals are under way", () =>
      Effect.gen(function* () {
        const instance = yield* instances
        const [one, two] = [yield* instance, yield* instance]
        for (let n = 0; n < 20; n++) {
          const answer = yield* one.claim(claimOf(`one ${n}`, aMinute))
          if (answer._tag === "Held") return assert.fail("it was free")
          const renewal = one.claim(claimOf(`one ${n}`, aMinute, answer.epoch))
          yield* Effect.all([renewal, one.release(`one ${n}`), renewal], { concurrency: "unbounded" })
          assert.strictEqual((yield* two.claim(claimOf(`two ${n}`, aMinute)))._tag, "Granted")
          yield* two.release(`two ${n}`)
        }
      })
    )

    it.live.skipIf(name === "a file")("stays the owner where the store has lost everything", () =>
      Effect.gen(function* () {
        const one = yield* yield* instances
        assert.deepStrictEqual(yield* one.claim(claimOf("one", aMinute, 7)), { _tag: "Granted", epoch: 7 })
        assert.deepStrictEqual(yield* one.claim(claimOf("one", aMinute, 7)), { _tag: "Granted", epoch: 7 })
      })
    )

    it.live("is one, however many claim at once", () =>
      Effect.gen(function* () {
        const instance = yield* instances
        const all = yield* Effect.forEach(Array.from({ length: 10 }), () => instance)
        const answers = yield* Effect.forEach(all, (store, n) => store.claim(claimOf(`instance ${n}`, aMinute)), {
          concurrency: "unbounded"
        })
        assert.strictEqual(answers.filter(({ _tag }) => _tag === "Granted").length, 1)
      })
    )
  })
}
