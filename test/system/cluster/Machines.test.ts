import * as PgClient from "@effect/sql-pg/PgClient"
import { PresenceUpdateStatus } from "discord-api-types/v10"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Persistence from "effect/persistence/Persistence"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Database from "../../cluster/Database.ts"
import { freePort } from "../../cluster/Machines.ts"
import { ClusterProtocol } from "../../../src/cluster/ClusterMessage.ts"
import { GatewayCluster } from "../../../src/cluster/GatewayCluster.ts"
import * as NodeCluster from "../../../src/cluster/NodeCluster.ts"
import { SendEvent } from "../../../src/schema/SendEvent.ts"
import { Gateway } from "../../../src/gateway/Gateway.ts"
import { GatewayConfig } from "../../../src/services/GatewayConfig.ts"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import { hasPostgres } from "../../support/LocalServices.ts"
import { until, untilTrue } from "../../support/Patience.ts"

/** The cluster has as many parts, so each of two machines has half of them. */
const shards = 16

const configured = Layer.unwrap(
  Effect.map(DiscordSimulator, ({ apiUrl, token }) => GatewayConfig.layer({ token, apiUrl, shards }))
)

const secret = Redacted.make("the secret of this cluster")

/** Records of the programs on all machines. */
const makeProgram = () => {
  const seen: Array<string> = []
  const program = Effect.gen(function* () {
    const gateway = yield* Gateway
    yield* gateway
      .on("MESSAGE_CREATE")
      .pipe(Stream.runForEach(({ d, shard }) => Effect.sync(() => void seen.push(`${shard}: ${d.content}`))))
  })
  return { seen, program }
}

/** A machine in this process, which leaves with its scope. */
const machine = Effect.fnUntraced(function* <E>(
  program: Effect.Effect<void, E, Gateway>,
  databaseUrl: string,
  shardsPerGroup = shards,
  protocol?: number
) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const port = yield* freePort
  const context = yield* Layer.buildWithScope(
    Layer.fresh(
      GatewayCluster.layer(program).pipe(
        Layer.provide(
          NodeCluster.layer({ host: "127.0.0.1", port, listenHost: "127.0.0.1", secret, sharding: { shardsPerGroup } })
        ),
        Layer.provide([PgClient.layer({ url: Redacted.make(databaseUrl) }), configured]),
        Layer.provide(protocol === undefined ? Layer.empty : Layer.succeed(ClusterProtocol, protocol))
      )
    ),
    scope
  )
  return { cluster: Context.get(context, GatewayCluster), port, leave: Scope.close(scope, Exit.void) }
})

const allReady = (cluster: GatewayCluster["Service"]) =>
  until(cluster.shards, (all) => all.every(({ state }) => state === "ready"))

/** The row of the plan. */
const planRow = Effect.fnUntraced(function* (databaseUrl: string) {
  const backing = Context.get(
    yield* Layer.build(
      Persistence.layerBackingSql.pipe(Layer.provide(PgClient.layer({ url: Redacted.make(databaseUrl) })))
    ),
    Persistence.BackingPersistence
  )
  return yield* backing.make("cluster_disruption-gateway_fleet")
})

/** Lines of the log while the tests run. */
const lines: Array<string> = []
const logged = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])

const discord = Layer.merge(DiscordSimulator.serve({ shards, maxConcurrency: 16, history: 2000 }), Logger.layer([]))

describe.skipIf(!hasPostgres)("a cluster of two machines", () => {
  it.live("is seen whole from each of them, and sends from each through the shard that owns the guild", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      const { program } = makeProgram()
      const a = yield* machine(program, database.url())
      const b = yield* machine(program, database.url())
      yield* until(
        allReady(a.cluster),
        (all) => new Set(all.map(({ machine }) => Option.getOrThrow(machine))).size === 2
      )
      // All of its shards have moved to the second machine.
      yield* until(Effect.all([a.cluster.here, b.cluster.here]), ([ofA, ofB]) => ofA.length === 8 && ofB.length === 8)
      yield* allReady(a.cluster)
      const fromA = yield* a.cluster.shards
      const fromB = yield* b.cluster.shards
      assert.deepStrictEqual(
        fromA.map(({ machine, shard }) => [shard.id, machine]),
        fromB.map(({ machine, shard }) => [shard.id, machine])
      )
      const here = yield* a.cluster.here
      assert.strictEqual(here.length + (yield* b.cluster.here).length, shards)
      // One guild on each shard, so at least one is not on the machine that sends.
      const guilds = Array.from({ length: shards }, (_, shard) => String(BigInt(shard) << 22n))
      for (const guild_id of guilds) {
        const join = { guild_id, channel_id: null, self_mute: false, self_deaf: false }
        yield* a.cluster.send(SendEvent.updateVoiceState(join))
      }
      yield* b.cluster.send(
        SendEvent.updatePresence({ since: null, activities: [], status: PresenceUpdateStatus.Idle, afk: false })
      )
      const unknown = yield* Effect.flip(b.cluster.send(SendEvent.raw(99, {}), { shard: shards }))
      assert.strictEqual(unknown.reason._tag, "UnknownShard")

      const simulator = yield* DiscordSimulator
      const sent = yield* until(
        Effect.map(simulator.connections, (connections) =>
          connections.flatMap(({ frames, shard }) =>
            frames.filter(({ op }) => op === 4 || op === 3).map(({ op }) => `${shard}: op ${op}`)
          )
        ),
        (sent) => sent.length >= 2 * shards
      )
      assert.deepStrictEqual(
        sent.toSorted(),
        guilds.flatMap((_, shard) => [`${shard}: op 3`, `${shard}: op 4`]).toSorted()
      )
    }).pipe(Effect.provide(discord))
  )

  it.live("takes no machine that would put the shards elsewhere, because it counts other parts", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      const { program } = makeProgram()
      const a = yield* machine(program, database.url())
      yield* allReady(a.cluster)
      const error = yield* Effect.flip(machine(program, database.url(), 300))
      assert.include(error.message, "the cluster runs with 16 and this machine 300")
    }).pipe(Effect.provide(discord))
  )

  it.live("goes on while one speaks a later version of the messages, and the other refuses those in words", () =>
    Effect.gen(function* () {
      lines.length = 0
      const database = yield* Database.make
      const { program, seen } = makeProgram()
      const older = yield* machine(program, database.url())
      yield* allReady(older.cluster)
      const newer = yield* machine(program, database.url(), shards, 2)
      yield* until(Effect.all([older.cluster.here, newer.cluster.here]), (both) =>
        both.every((here) => here.length === 8 && here.every(({ state }) => state === "ready"))
      )
      const simulator = yield* DiscordSimulator
      for (let shard = 0; shard < shards; shard++) {
        yield* simulator.dispatch("MESSAGE_CREATE", { content: "hello" }, { shard })
      }
      yield* untilTrue(() => seen.length === shards)

      const ofOlder = Option.getOrThrow(Option.fromNullishOr((yield* older.cluster.here)[0])).shard.id
      const ofNewer = Option.getOrThrow(Option.fromNullishOr((yield* newer.cluster.here)[0])).shard.id
      // The older one is understood by the newer one,
      yield* older.cluster.send(SendEvent.raw(99, {}), { shard: ofNewer })
      yield* older.cluster.restart(ofNewer)
      assert.strictEqual((yield* allReady(older.cluster)).length, shards)
      // the newer one by its like,
      yield* newer.cluster.send(SendEvent.raw(99, {}), { shard: ofNewer })
      // and the older one says why it does not do what it may not understand.
      const error = yield* Effect.flip(newer.cluster.send(SendEvent.raw(99, {}), { shard: ofOlder }))
      assert.match(
        error.message,
        new RegExp(
          `shard ${ofOlder}.*127.0.0.1:${older.port} reads messages between machines up to version 1, .* of version 2`
        )
      )
      assert.isTrue(lines.some((line) => line.startsWith(`127.0.0.1:${older.port} reads messages`)))
      assert.strictEqual(
        (yield* newer.cluster.shards).filter(({ state }) => state === "moving").length,
        8,
        "shards of the other machine are not seen"
      )

      yield* older.leave
      yield* until(newer.cluster.here, (here) => here.length === shards)
      yield* allReady(newer.cluster)
      assert.strictEqual((yield* simulator.counts).identifies, shards)
    }).pipe(Effect.provide(Layer.merge(discord, logged)))
  )

  it.live("is not joined by a machine that cannot read the plan: it waits, and takes nothing", () =>
    Effect.gen(function* () {
      lines.length = 0
      const database = yield* Database.make
      const { program } = makeProgram()
      const a = yield* machine(program, database.url())
      yield* allReady(a.cluster)
      const row = yield* planRow(database.url())
      yield* a.leave
      const later = { version: 3, layout: "of the future" }
      yield* row.set("plan", later, undefined)
      const joining = yield* Effect.forkScoped(machine(program, database.url()))
      yield* untilTrue(() => lines.some((line) => line.includes("takes no part in the cluster yet")))
      assert.deepStrictEqual(yield* database.machines, [])
      assert.deepStrictEqual(yield* row.get("plan"), later)
      // The way back that docs/cluster.md gives.
      yield* row.remove("plan")
      const b = yield* Fiber.join(joining)
      yield* allReady(b.cluster)
      assert.strictEqual((yield* (yield* DiscordSimulator).counts).identifies, shards)
    }).pipe(Effect.provide(Layer.merge(discord, logged)))
  )

  it.live("gives a shard a new connection, wherever it runs", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      const { program } = makeProgram()
      const a = yield* machine(program, database.url())
      yield* allReady(a.cluster)
      const b = yield* machine(program, database.url())
      yield* allReady(b.cluster)
      const simulator = yield* DiscordSimulator
      const before = (yield* simulator.counts).resumes
      for (let shard = 0; shard < shards; shard++) yield* b.cluster.restart(shard)
      yield* until(simulator.counts, ({ resumes }) => resumes >= before + shards)
      assert.strictEqual((yield* simulator.counts).identifies, shards)
    }).pipe(Effect.provide(discord))
  )

  it.live("runs with another number of shards without losing an event", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      const { program, seen } = makeProgram()
      const a = yield* machine(program, database.url())
      const b = yield* machine(program, database.url())
      yield* allReady(a.cluster)
      const simulator = yield* DiscordSimulator
      let sent = 0
      // Discord sends an event to the shard of its guild in both sets of shards.
      const traffic = yield* Effect.forkScoped(
        Effect.forever(
          Effect.delay(
            Effect.suspend(() => simulator.dispatch("MESSAGE_CREATE", { content: `message ${sent++}` }, { shard: 0 })),
            "100 millis"
          )
        )
      )
      yield* b.cluster.reshard(2)
      assert.strictEqual(yield* b.cluster.total, 2)
      assert.strictEqual((yield* allReady(a.cluster)).length, 2)
      yield* Fiber.interrupt(traffic)
      assert.isAbove(sent, 20)
      const missing = () => {
        const messages = new Set(seen.map((line) => line.replace(/^\d+: /, "")))
        return Array.from({ length: sent }, (_, i) => `message ${i}`).filter((message) => !messages.has(message))
      }
      yield* untilTrue(
        () => missing().length === 0,
        () => `missing: ${missing().join()}`
      )
      assert.strictEqual((yield* simulator.counts).identifies, shards + 2)
      yield* until(
        Effect.map(simulator.connections, (all) => all.filter(({ end }) => end === undefined).length),
        (open) => open === 2
      )
    }).pipe(Effect.provide(discord))
  )
})

describe("a cluster of one machine", () => {
  it.live("runs the same program without a database", () =>
    Effect.gen(function* () {
      const { program, seen } = makeProgram()
      const simulator = yield* DiscordSimulator
      yield* Effect.gen(function* () {
        const cluster = yield* GatewayCluster
        const ready = yield* allReady(cluster)
        assert.strictEqual(ready.length, shards)
        yield* simulator.dispatch("MESSAGE_CREATE", { content: "hello" }, { shard: 5 })
        yield* untilTrue(() => seen.length > 0)
        assert.deepStrictEqual(seen, ["5: hello"])
      }).pipe(
        Effect.provide(
          GatewayCluster.layer(program).pipe(Layer.provide(NodeCluster.layerSingle), Layer.provide(configured))
        )
      )
    }).pipe(Effect.provide(discord))
  )

  it.live("leaves a cluster that has come to a plan which it cannot read, and says so", () =>
    Effect.gen(function* () {
      const { program } = makeProgram()
      const later = { version: 3, layout: "of the future" }
      yield* Effect.gen(function* () {
        const row = yield* (yield* Persistence.BackingPersistence).make("disruption-gateway_fleet")
        const running = yield* Effect.forkScoped(Effect.flip(GatewayCluster.run(program)))
        yield* until((yield* DiscordSimulator).counts, ({ identifies }) => identifies === shards)
        yield* row.set("plan", later, undefined)
        const error = yield* Fiber.join(running)
        assert.strictEqual(error._tag === "GatewayError" ? error.reason._tag : error._tag, "UnsupportedVersion")
        assert.deepStrictEqual(yield* row.get("plan"), later)
        assert.deepStrictEqual(yield* Effect.flip(GatewayCluster.run(program)), error)
      }).pipe(Effect.provide(Layer.provideMerge(NodeCluster.layerSingle, configured)))
    }).pipe(Effect.provide(discord))
  )

  it.live("says why a shard cannot go on", () =>
    Effect.gen(function* () {
      const { program } = makeProgram()
      const { apiUrl } = yield* DiscordSimulator
      const error = yield* GatewayCluster.run(program).pipe(
        Effect.provide(
          Layer.provideMerge(NodeCluster.layerSingle, GatewayConfig.layer({ token: "wrong", apiUrl, shards }))
        ),
        Effect.flip
      )
      assert.strictEqual(error._tag === "GatewayError" ? error.reason._tag : error._tag, "AuthenticationFailed")
    }).pipe(Effect.provide(discord))
  )

  it.live("says that the program of a shard failed", () =>
    Effect.gen(function* () {
      const error = yield* GatewayCluster.run(Effect.fail("no more")).pipe(
        Effect.provide(Layer.provideMerge(NodeCluster.layerSingle, configured)),
        Effect.flip
      )
      assert.strictEqual(error._tag === "ProgramFailed" ? error.cause : error._tag, "no more")
    }).pipe(Effect.provide(discord))
  )

  it.live("refuses to be told which shards to run: that is up to the cluster", () =>
    Effect.gen(function* () {
      const { apiUrl, token } = yield* DiscordSimulator
      const error = yield* GatewayCluster.run(Effect.never).pipe(
        Effect.provide(
          Layer.provideMerge(
            NodeCluster.layerSingle,
            GatewayConfig.layer({ token, apiUrl, shards: { ids: [0, 1], total: 4 } })
          )
        ),
        Effect.flip
      )
      assert.include(error.message, "a cluster takes their number")
    }).pipe(Effect.provide(discord))
  )
})
