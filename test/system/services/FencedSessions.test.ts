import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Random from "effect/Random"
import { FencedSessions } from "../../../src/services/FencedSessions.ts"
import * as RedisFencedSessions from "../../../src/services/RedisFencedSessions.ts"
import * as SqlFencedSessions from "../../../src/services/SqlFencedSessions.ts"
import * as Database from "../../cluster/Database.ts"
import { hasPostgres, hasRedis } from "../../support/LocalServices.ts"

const inPostgres = Effect.map(Database.make, (database) =>
  SqlFencedSessions.layer("proof").pipe(Layer.provide(PgClient.layer({ url: Redacted.make(database.url()) })))
)

const inRedis = Effect.map(Random.nextIntBetween(0, 2 ** 40), (random) =>
  RedisFencedSessions.layer(`proof_${random.toString(36)}`).pipe(
    Layer.provide(NodeRedis.layer({ url: "redis://127.0.0.1:6379" }))
  )
)

for (const { isThere, make, name } of [
  { name: "PostgreSQL", isThere: hasPostgres, make: Effect.map(inPostgres, Layer.orDie) },
  { name: "Redis", isThere: hasRedis, make: inRedis }
]) {
  describe.skipIf(!isThere)(`sessions in ${name}`, () => {
    it.live("are written by the owner of the shard alone, who is the one that took it last", () =>
      Effect.gen(function* () {
        const sessions = Context.get(yield* Layer.build(yield* make), FencedSessions)
        const take = (shard: string) => Effect.map(sessions.take([shard]), (taken) => taken.get(shard))
        assert.deepStrictEqual(yield* take("1/2"), { epoch: 1, session: undefined })
        assert.deepStrictEqual(yield* sessions.write([{ shard: "1/2", epoch: 1, session: "a" }]), new Set(["1/2"]))
        assert.deepStrictEqual(yield* take("1/2"), { epoch: 2, session: "a" })
        yield* take("0/2")
        const both = yield* sessions.write([
          { shard: "1/2", epoch: 1, session: "late" },
          { shard: "0/2", epoch: 1, session: "b" }
        ])
        assert.deepStrictEqual(both, new Set(["0/2"]))
        assert.deepStrictEqual(yield* sessions.write([{ shard: "1/2", epoch: 1, session: undefined }]), new Set())
        assert.deepStrictEqual(yield* take("1/2"), { epoch: 3, session: "a" })
        yield* sessions.write([{ shard: "1/2", epoch: 3, session: undefined }])
        assert.deepStrictEqual(yield* take("1/2"), { epoch: 4, session: undefined })
        assert.deepStrictEqual(yield* take("0/2"), { epoch: 2, session: "b" })
      })
    )

    it.live("have each epoch once, however many machines take a shard at once", () =>
      Effect.gen(function* () {
        const sessions = Context.get(yield* Layer.build(yield* make), FencedSessions)
        const taken = yield* Effect.all(
          Array.from({ length: 20 }, (_, index) => sessions.take(index % 2 === 0 ? ["0/2", "1/2"] : ["1/2", "0/2"])),
          { concurrency: "unbounded" }
        )
        for (const shard of ["0/2", "1/2"]) {
          assert.deepStrictEqual(
            taken.map((all) => all.get(shard)?.epoch ?? 0).toSorted((a, b) => a - b),
            Array.from({ length: 20 }, (_, index) => index + 1)
          )
        }
      })
    )
  })
}
