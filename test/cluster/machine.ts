// One machine of the cluster that is put to the proof: it writes down every message that its program is given, and which shards
// are its own, in a file that all machines share and that outlives them whatever ends them.
import { closeSync, openSync, writeSync } from "node:fs"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Config, Console, Effect, Layer, Option, Queue, Random, Schedule, Schema, Stream } from "effect"
import { Gateway, GatewayConfig } from "../../src/index.ts"
import { GatewayCluster, NodeCluster } from "../../src/cluster.ts"

/** Stands still, with all that the process does. */
const block = (millis: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis)

process.on("SIGUSR2", () => void block(Number(process.env["PROOF_BLOCK"] ?? 15_000)))

/** Troubles of a handler, by PROOF_HANDLER: one message in twenty is hit, and comes again until it is handled. */
const troubles: Record<string, Effect.Effect<unknown, string>> = {
  throws: Effect.fail("no"),
  dies: Effect.die("no"),
  hangs: Effect.andThen(Effect.sleep("2 seconds"), Effect.fail("it took too long")),
  blocks: Effect.sync(() => block(100))
}

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
  const name = yield* Config.withDefault(Config.String("PROOF_HANDLER"), "")
  const trouble = troubles[name]
  if (trouble !== undefined) {
    return yield* Effect.retry(
      gateway
        .handle({
          MESSAGE_CREATE: Effect.fnUntraced(function* ({ d, shard }) {
            if ((yield* Random.nextIntBetween(0, 20)) === 0) yield* trouble
            writeSync(file, `${shard} ${d.id} ${machine}\n`)
          })
        })
        .pipe(Effect.catchDefect(Effect.fail)),
      Schedule.forever
    )
  }
  yield* gateway.payloads.pipe(
    Stream.filter(({ t }) => t === "MESSAGE_CREATE"),
    Stream.runForEach(({ d, shard }) =>
      Effect.map(Message(d), ({ id }) => writeSync(file, `${shard} ${id} ${machine}\n`))
    )
  )
})

/** Reshards the cluster to PROOF_RESHARD shards at each SIGUSR1. */
const resharding = Effect.gen(function* () {
  const cluster = yield* GatewayCluster
  const signals = yield* Queue.unbounded<void>()
  process.on("SIGUSR1", () => void Queue.offerUnsafe(signals, undefined))
  return yield* Queue.take(signals).pipe(
    Effect.andThen(Effect.flatMap(Config.Int("PROOF_RESHARD"), cluster.reshard)),
    Effect.andThen(Console.log("resharded")),
    Effect.forever
  )
})

/** With PROOF_GROWTH, Discord is asked as often as that for the number of shards, and may be followed as often. */
const configured = Layer.effect(
  GatewayConfig,
  Effect.gen(function* () {
    const config = yield* GatewayConfig
    const every = yield* Config.option(Config.Duration("PROOF_GROWTH"))
    return Option.isNone(every) ? config : { ...config, growth: { every: every.value, apart: every.value } }
  })
).pipe(Layer.provide(GatewayConfig.layerEnv))

/** Says at each SIGHUP how many shards of the cluster it finds ready. */
const counting = Effect.gen(function* () {
  const cluster = yield* GatewayCluster
  const signals = yield* Queue.unbounded<void>()
  process.on("SIGHUP", () => void Queue.offerUnsafe(signals, undefined))
  return yield* Queue.take(signals).pipe(
    Effect.andThen(cluster.shards),
    Effect.flatMap((all) => Console.log(`sees ${all.filter(({ state }) => state === "ready").length}`)),
    Effect.forever
  )
})

GatewayCluster.use(({ failure }) => Effect.raceAllFirst([failure, resharding, counting])).pipe(
  Effect.provide(GatewayCluster.layer(program)),
  Effect.scoped,
  Effect.provide(
    NodeCluster.layerEnv.pipe(
      Layer.provide(PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") })),
      Layer.provideMerge(configured)
    )
  ),
  NodeRuntime.runMain
)
