import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import * as Runner from "effect/cluster/Runner"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as ClusterShardId from "effect/cluster/ShardId"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as SqlRunnerStorage from "effect/cluster/SqlRunnerStorage"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { shardingConfig } from "../../../src/cluster/ClusterTiming.ts"
import * as LockLeases from "../../../src/cluster/LockLeases.ts"
import * as Database from "../../cluster/Database.ts"
import { hasPostgres } from "../../support/LocalServices.ts"
import { until } from "../../support/Patience.ts"

const locks = [1, 2, 3].map((id) => ClusterShardId.make("default", id))

/** The lock store of a machine, and the leases of its locks. */
const machine = Effect.fnUntraced(function* (databaseUrl: string, port: number) {
  const settings = shardingConfig()
  const context = yield* Layer.build(
    LockLeases.layer(settings.shardLockExpiration).pipe(
      Layer.provide(SqlRunnerStorage.layer),
      Layer.provide([ShardingConfig.layer(settings), PgClient.layer({ url: Redacted.make(databaseUrl) })]),
      Layer.fresh
    )
  )
  const storage = Context.get(context, RunnerStorage.RunnerStorage)
  const leaseOf = Context.get(context, LockLeases.LockLeases)
  const address = RunnerAddress.make("127.0.0.1", port)
  yield* storage.register(Runner.make({ address, groups: ["default"], weight: 1 }), true)
  return {
    acquire: Effect.map(storage.acquire(address, locks), (acquired) => acquired.length),
    holds: () => locks.every((lock) => leaseOf?.(lock).isHeld() === true)
  }
})

describe.skipIf(!hasPostgres)("a lock in PostgreSQL", () => {
  it.live("outlives the connection of its owner, so that no other machine has it while the lease goes on", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      const owner = yield* machine(database.url(), 1)
      const other = yield* machine(database.url(), 2)
      assert.strictEqual(yield* owner.acquire, locks.length)
      yield* database.killConnections
      const seen = yield* until(
        Effect.map(
          Effect.orElseSucceed(other.acquire, () => 0),
          (acquired) => ({ acquired, held: owner.holds() })
        ),
        ({ acquired }) => acquired === locks.length
      )
      assert.isFalse(seen.held)
    })
  )
})
