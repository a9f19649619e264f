import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import * as Database from "../../cluster/Database.ts"
import * as Machines from "../../cluster/Machines.ts"
import * as Proxy from "../../cluster/Proxy.ts"
import { hasPostgres, hasRedis } from "../../support/LocalServices.ts"
import { until, untilTrue } from "../../support/Patience.ts"

/**
 * The cluster places each shard by a hash, so each machine has some only where there are many: of 8, one of two machines has
 * none in 7 of 1,000 starts, of 16 in one of 50,000.
 */
const shards = 16
/** So few that a start which waits for its turns is not long. */
const fewShards = 8
const discord = DiscordSimulator.serve({ maxConcurrency: shards, shards, history: 2000 })

type Cluster = Effect.Success<ReturnType<typeof Machines.make>>

/** Every message was handled, none by a machine whose shard was another's, and no shard identified twice. */
const nothingLost = Effect.fnUntraced(function* (cluster: Cluster) {
  const { atOnce, dispatched, lost, outOfOrder } = yield* cluster.outcome
  assert.isAbove(dispatched, 0)
  assert.deepStrictEqual({ atOnce, lost, outOfOrder }, { atOnce: 0, lost: 0, outOfOrder: 0 }, cluster.describe())
  const { identifies, identifyViolations } = yield* cluster.simulator.counts
  assert.deepStrictEqual({ identifies, identifyViolations }, { identifies: shards, identifyViolations: 0 })
})

/** So many messages more have been dispatched. */
const messages = Effect.fnUntraced(function* (cluster: Cluster, count: number) {
  const before = cluster.dispatched()
  yield* untilTrue(() => cluster.dispatched() >= before + count, cluster.describe)
})

/** Two machines that have the shards between them, and are given messages. */
const twoMachines = Effect.gen(function* () {
  const database = yield* Database.make
  const cluster = yield* Machines.make({ shards, databaseUrl: database.url() })
  const first = yield* cluster.start()
  yield* cluster.allConnected
  const second = yield* cluster.start()
  yield* cluster.spreadOver(first, second)
  yield* cluster.traffic(20)
  return { cluster, database, first, second }
})

describe.skipIf(!hasPostgres)("a cluster of processes", () => {
  it.live("goes on by RESUME when a machine is killed, told to stop, or new", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      const cluster = yield* Machines.make({ shards, databaseUrl: database.url() })
      const first = yield* cluster.start()
      yield* cluster.allConnected
      yield* cluster.traffic(20)
      const second = yield* cluster.start()
      yield* cluster.spreadOver(first, second)
      yield* messages(cluster, 100)
      yield* first.end("SIGKILL")
      yield* cluster.spreadOver(second)
      const third = yield* cluster.start()
      yield* cluster.spreadOver(second, third)
      yield* second.end("SIGTERM")
      yield* cluster.spreadOver(third)
      yield* messages(cluster, 100)
      yield* nothingLost(cluster)
    }).pipe(Effect.provide(discord))
  )

  it.live("stops its shards when the database is cut off, and resumes them when it is back", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      const proxy = yield* Proxy.make(Database.server)
      const cluster = yield* Machines.make({ shards, databaseUrl: database.url(proxy) })
      const machines = yield* Effect.all([cluster.start(), cluster.start()])
      yield* cluster.spreadOver(...machines)
      yield* cluster.traffic(20)
      yield* messages(cluster, 100)
      yield* proxy.stall
      yield* cluster.noneConnected
      yield* proxy.restore
      yield* cluster.allConnected
      yield* nothingLost(cluster)
    }).pipe(Effect.provide(discord))
  )

  it.live("never has a shard on two machines when one of them is cut off from the database", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      const proxy = yield* Proxy.make(Database.server)
      const cluster = yield* Machines.make({ shards, databaseUrl: database.url() })
      const cutOff = yield* cluster.start({ DATABASE_URL: database.url(proxy) })
      yield* cluster.allConnected
      yield* cluster.traffic(20)
      const other = yield* cluster.start()
      yield* cluster.spreadOver(cutOff, other)
      yield* messages(cluster, 100)
      yield* proxy.stall
      yield* untilTrue(() => other.shards().size === shards, cluster.describe)
      yield* cluster.allConnected
      assert.strictEqual(cutOff.shards().size, 0)
      yield* nothingLost(cluster)
      // Discord would have dropped the connection of a shard that resumes on another one.
      const taken = (yield* cluster.simulator.connections).filter(({ end }) => end?.by === "server")
      assert.deepStrictEqual(taken, [])
    }).pipe(Effect.provide(discord))
  )

  it.live("takes the shards of a machine that hangs, which gives them up when it goes on", () =>
    Effect.gen(function* () {
      const { cluster, database, first, second } = yield* twoMachines
      yield* messages(cluster, 100)
      const hung = [...first.shards()]
      yield* first.signal("SIGSTOP")
      yield* untilTrue(() => second.shards().size === shards, cluster.describe)
      yield* cluster.allConnected
      // More than a second of them: the store has what the new owner has handled.
      yield* messages(cluster, 30 * shards)
      const stored = yield* database.sequences
      yield* first.signal("SIGCONT")
      yield* untilTrue(() => hung.every((shard) => first.process.stdout.includes(`-${shard}\n`)), cluster.describe)
      const newer = yield* database.sequences
      for (const [shard, sequence] of stored) assert.isAtLeast(newer.get(shard) ?? 0, sequence, shard)
      // Discord has dropped the connections that hung, and none because their machine took a session back.
      const taken = (yield* cluster.simulator.connections).filter(({ end }) => end?.by === "server")
      assert.deepStrictEqual(
        taken.flatMap(({ shard }) => (shard === undefined ? [] : [shard])).toSorted((a, b) => a - b),
        hung.toSorted((a, b) => a - b)
      )
      yield* second.end("SIGKILL")
      yield* cluster.spreadOver(first)
      yield* nothingLost(cluster)
    }).pipe(Effect.provide(discord))
  )

  it.live("takes the shards of a machine whose program blocks the event loop for 15 s", () =>
    Effect.gen(function* () {
      const { cluster, first, second } = yield* twoMachines
      yield* cluster.handling
      const blocked = [...first.shards()]
      yield* first.signal("SIGUSR2")
      yield* untilTrue(() => second.shards().size === shards, cluster.describe)
      yield* cluster.handling
      // The machine says what it has given up as soon as it can say anything.
      yield* untilTrue(() => blocked.every((shard) => first.process.stdout.includes(`-${shard}\n`)), cluster.describe)
      yield* cluster.spreadOver(first, second)
      yield* nothingLost(cluster)
    }).pipe(
      Effect.provide(
        DiscordSimulator.serve({ maxConcurrency: shards, shards, history: 2000, forgetsAcknowledged: true })
      )
    )
  )

  for (const [where, redis] of [
    ["PostgreSQL", undefined],
    ["Redis", "redis://127.0.0.1:6379"]
  ] as const) {
    it.live.skipIf(redis !== undefined && !hasRedis)(
      `keeps the limit of IDENTIFYs in ${where} on a first start of which one machine is killed`,
      () =>
        Effect.gen(function* () {
          const database = yield* Database.make
          const cluster = yield* Machines.make({
            shards: fewShards,
            databaseUrl: database.url(),
            env: redis === undefined ? {} : { REDIS_URL: redis, CLUSTER_NAME: "disruption_gateway_test" }
          })
          const machines = yield* Effect.all([cluster.start(), cluster.start(), cluster.start()])
          yield* untilTrue(() => machines.some((machine) => machine.shards().size > 0), cluster.describe)
          yield* until(
            cluster.simulator.counts,
            ({ identifies }) => identifies > 0 && identifies < fewShards,
            cluster.describe
          )
          const [busiest] = machines.toSorted((a, b) => b.shards().size - a.shards().size)
          if (busiest !== undefined) yield* busiest.end("SIGKILL")
          yield* cluster.allConnected
          const { identifies, identifyViolations } = yield* cluster.simulator.counts
          assert.strictEqual(identifyViolations, 0)
          // A session whose READY the killed machine had no time to store is lost with it.
          assert.isAtLeast(identifies, fewShards)
          assert.isAtMost(identifies, fewShards + 2)
        }).pipe(
          Effect.provide(
            DiscordSimulator.serve({
              token: `bot-${process.hrtime()[1]}`,
              maxConcurrency: 2,
              shards: fewShards,
              history: 2000
            })
          )
        )
    )
  }
})
