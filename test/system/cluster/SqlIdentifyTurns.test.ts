import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Database from "../../cluster/Database.ts"
import * as SqlIdentifyTurns from "../../../src/cluster/SqlIdentifyTurns.ts"
import { NodeGateway } from "../../../src/node/NodeGateway.ts"
import { ShardId } from "../../../src/schema/ShardId.ts"
import { GatewayConfig } from "../../../src/services/GatewayConfig.ts"
import { IdentifyLimiter } from "../../../src/services/IdentifyLimiter.ts"
import { hasPostgres } from "../../support/LocalServices.ts"

const shard = new ShardId({ id: 0, total: 1 })

describe.skipIf(!hasPostgres)("turns to IDENTIFY in PostgreSQL", () => {
  it.live(
    "are given to one of all machines that ask at the same time, and to the next when it has passed",
    () =>
      Effect.gen(function* () {
        const database = yield* Database.make
        const limiter = Effect.map(
          Layer.build(
            Layer.fresh(SqlIdentifyTurns.layer).pipe(
              Layer.provide(PgClient.layer({ url: Redacted.make(database.url()) })),
              Layer.provide(NodeGateway.layerServices),
              Layer.provide(GatewayConfig.layer({ token: "simulated-token", gatewayUrl: "ws://127.0.0.1:1" }))
            )
          ),
          (context) => Effect.provideContext(IdentifyLimiter, context)
        )
        const machines = yield* Effect.forEach([1, 2, 3], () => Effect.flatten(limiter))
        const ask = Effect.forEach([...machines, ...machines, ...machines], (machine) => machine.ask(shard), {
          concurrency: "unbounded"
        })
        const first = yield* ask
        assert.strictEqual(first.filter(({ _tag }) => _tag === "Granted").length, 1)
        const waits = first.flatMap((turn) => (turn._tag === "Wait" ? [Duration.toMillis(turn.time)] : []))
        assert.isAtLeast(Math.min(...waits), 4000)
        assert.isAtMost(Math.max(...waits), 5500)
        yield* Effect.sleep(Duration.millis(Math.max(...waits) + 50))
        const second = yield* ask
        assert.strictEqual(second.filter(({ _tag }) => _tag === "Granted").length, 1)
      }),
    30_000
  )
})
