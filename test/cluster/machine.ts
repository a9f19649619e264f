// One machine of the cluster that is put to the proof: it writes down every message that its program is given, and which shards
// are its own, in a file that all machines share and that outlives them whatever ends them.
import { closeSync, openSync, writeSync } from "node:fs"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Config, Console, Effect, Layer, Schedule, Schema, Stream } from "effect"
import { Gateway, GatewayConfig } from "../../src/index.ts"
import { GatewayCluster, NodeCluster } from "../../src/cluster.ts"

const Message = Schema.decodeUnknownEffect(Schema.Struct({ id: Schema.String }))

const program = Effect.gen(function* () {
  const path = yield* Config.String("PROOF_RECORD")
  const machine = yield* Config.String("CLUSTER_PORT")
  const gateway = yield* Gateway
  const file = yield* Effect.acquireRelease(
    Effect.sync(() => openSync(path, "a")),
    (file) => Effect.sync(() => closeSync(file))
  )
  const status = Effect.map(gateway.shards, ([first]) => first)
  const { shard } = yield* Effect.flatMap(status, Effect.fromNullishOr).pipe(Effect.retry(Schedule.spaced("10 millis")))
  writeSync(file, `${shard.id} + ${machine}\n`)
  yield* Effect.acquireRelease(Console.log(`+${shard.id}`), () => Console.log(`-${shard.id}`))
  yield* gateway.payloads.pipe(
    Stream.filter(({ t }) => t === "MESSAGE_CREATE"),
    Stream.runForEach(({ d, shard }) =>
      Effect.map(Message(d), ({ id }) => writeSync(file, `${shard} ${id} ${machine}\n`))
    )
  )
})

GatewayCluster.run(program).pipe(
  Effect.scoped,
  Effect.provide(
    NodeCluster.layerEnv.pipe(
      Layer.provide(PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") })),
      Layer.provideMerge(GatewayConfig.layerEnv)
    )
  ),
  NodeRuntime.runMain
)
