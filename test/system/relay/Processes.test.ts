import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Brokers from "../../relay/Brokers.ts"
import * as Proof from "../../relay/Proof.ts"
import { hasNats, hasPostgres, hasRedis } from "../../support/LocalServices.ts"

describe.skipIf(!hasRedis)("a relay on Redis", () => {
  it.live("loses nothing and keeps the order of each guild while it, consumers and Redis are killed", () =>
    Effect.gen(function* () {
      const verdict = yield* Proof.kill(Brokers.redis, { rate: 200, guilds: 50 }, { relay: 3, consumer: 5, broker: 1 })
      assert.deepInclude(verdict, { lost: 0, outOfOrder: 0, identifies: 2 })
      // One for each shard of each relay that was killed, and none for a consumer.
      assert.isAtMost(verdict.resumes, 2 * 3)
      assert.isAbove(verdict.events, 500)
    })
  )

  it.live("keeps everything in order for consumers that come later", () =>
    Effect.gen(function* () {
      const verdict = yield* Proof.abandon(Brokers.redis, { rate: 500, guilds: 50 }, Duration.seconds(4))
      assert.deepInclude(verdict, { lost: 0, doubled: 0, outOfOrder: 0, identifies: 2, resumes: 0 })
    })
  )

  it.live("brings a bot the same as a gateway of its own does", () =>
    Effect.gen(function* () {
      const [direct, relayed] = yield* Proof.compare(Brokers.redis, 10_000, 200)
      assert.strictEqual(Object.keys(direct ?? {}).length, 200)
      assert.strictEqual(Object.values(direct ?? {}).flat().length, 10_000)
      assert.deepStrictEqual(relayed, direct)
    })
  )
})

describe.skipIf(!hasPostgres)("a relay on PostgreSQL", () => {
  it.live("loses nothing and keeps the order of each guild while it, consumers and PostgreSQL are killed", () =>
    Effect.gen(function* () {
      const verdict = yield* Proof.kill(
        Brokers.postgres,
        { rate: 200, guilds: 50 },
        { relay: 2, consumer: 3, broker: 1 }
      )
      assert.deepInclude(verdict, { lost: 0, outOfOrder: 0, identifies: 2 })
      assert.isAtMost(verdict.resumes, 2 * 2)
      assert.isAbove(verdict.events, 300)
    })
  )

  it.live("brings a bot the same as a gateway of its own does", () =>
    Effect.gen(function* () {
      const [direct, relayed] = yield* Proof.compare(Brokers.postgres, 500, 20)
      assert.strictEqual(Object.keys(direct ?? {}).length, 20)
      assert.deepStrictEqual(relayed, direct)
    })
  )
})

describe.skipIf(!hasNats)("a relay on NATS", () => {
  it.live("loses nothing and keeps the order of each guild while it, consumers and NATS are killed", () =>
    Effect.gen(function* () {
      const verdict = yield* Proof.kill(Brokers.nats, { rate: 200, guilds: 50 }, { relay: 3, consumer: 5, broker: 1 })
      assert.deepInclude(verdict, { lost: 0, outOfOrder: 0, identifies: 2 })
      assert.isAtMost(verdict.resumes, 2 * 3)
      assert.isAbove(verdict.events, 500)
    })
  )
})
