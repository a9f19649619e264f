import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import * as Database from "../../cluster/Database.ts"
import * as Machines from "../../cluster/Machines.ts"
import * as Proxy from "../../cluster/Proxy.ts"
import { hasPostgres, hasRedis } from "../../support/LocalServices.ts"
import { until, untilTrue } from "../../support/Patience.ts"

const shards = 8
const discord = (maxConcurrency: number) => DiscordSimulator.serve({ maxConcurrency, shards, history: 2000 })

type Fleet = Effect.Success<ReturnType<typeof Machines.make>>

/** Every message was handled, and no shard identified twice. */
const nothingLost = Effect.fnUntraced(function* (fleet: Fleet) {
  const { dispatched, lost } = yield* fleet.settled
  assert.isAbove(dispatched, 0)
  assert.strictEqual(lost, 0, fleet.describe())
  const { identifies, identifyViolations } = yield* fleet.simulator.counts
  assert.deepStrictEqual({ identifies, identifyViolations }, { identifies: shards, identifyViolations: 0 })
})

/** So many messages more have been dispatched. */
const messages = Effect.fnUntraced(function* (fleet: Fleet, count: number) {
  const before = fleet.dispatched()
  yield* untilTrue(() => fleet.dispatched() >= before + count, fleet.describe)
})

describe.skipIf(!hasPostgres)("a fleet of processes", () => {
  it.live("goes on by RESUME when a machine is killed, told to stop, or new", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      const fleet = yield* Machines.make({ shards, databaseUrl: database.url() })
      const first = yield* fleet.start()
      yield* fleet.allConnected
      yield* fleet.traffic(20)
      const second = yield* fleet.start()
      yield* fleet.spreadOver(first, second)
      yield* messages(fleet, 100)
      yield* first.end("SIGKILL")
      yield* fleet.spreadOver(second)
      const third = yield* fleet.start()
      yield* fleet.spreadOver(second, third)
      yield* second.end("SIGTERM")
      yield* fleet.spreadOver(third)
      yield* messages(fleet, 100)
      yield* nothingLost(fleet)
    }).pipe(Effect.provide(discord(shards)))
  )

  it.live("stops its shards when the database is cut off, and resumes them when it is back", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      const proxy = yield* Proxy.make(Database.server)
      const fleet = yield* Machines.make({ shards, databaseUrl: database.url(proxy.port) })
      const machines = yield* Effect.all([fleet.start(), fleet.start()])
      yield* fleet.spreadOver(...machines)
      yield* fleet.traffic(20)
      yield* messages(fleet, 100)
      yield* proxy.stall
      yield* fleet.noneConnected
      yield* proxy.restore
      yield* fleet.allConnected
      yield* nothingLost(fleet)
    }).pipe(Effect.provide(discord(shards)))
  )

  it.live("never has a shard on two machines when one of them is cut off from the database", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      const proxy = yield* Proxy.make(Database.server)
      const fleet = yield* Machines.make({ shards, databaseUrl: database.url() })
      const cutOff = yield* fleet.start({ DATABASE_URL: database.url(proxy.port) })
      yield* fleet.allConnected
      yield* fleet.traffic(20)
      const other = yield* fleet.start()
      yield* fleet.spreadOver(cutOff, other)
      yield* messages(fleet, 100)
      yield* proxy.stall
      yield* untilTrue(() => other.shards().size === shards, fleet.describe)
      yield* fleet.allConnected
      assert.strictEqual(cutOff.shards().size, 0)
      yield* nothingLost(fleet)
      // Discord would have dropped the connection of a shard that resumes on another one.
      const taken = (yield* fleet.simulator.connections).filter(({ end }) => end?.by === "server")
      assert.deepStrictEqual(taken, [])
    }).pipe(Effect.provide(discord(shards)))
  )

  it.live("takes the shards of a machine that hangs, which gives them up when it goes on", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      const fleet = yield* Machines.make({ shards, databaseUrl: database.url() })
      const first = yield* fleet.start()
      yield* fleet.allConnected
      const second = yield* fleet.start()
      yield* fleet.spreadOver(first, second)
      yield* fleet.traffic(20)
      yield* messages(fleet, 100)
      const hung = [...first.shards()]
      yield* first.signal("SIGSTOP")
      yield* untilTrue(() => second.shards().size === shards, fleet.describe)
      yield* fleet.allConnected
      yield* first.signal("SIGCONT")
      yield* untilTrue(() => hung.every((shard) => first.process.stdout.includes(`-${shard}\n`)), fleet.describe)
      yield* second.end("SIGKILL")
      yield* fleet.spreadOver(first)
      yield* nothingLost(fleet)
    }).pipe(Effect.provide(discord(shards)))
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
          const fleet = yield* Machines.make({
            shards,
            databaseUrl: database.url(),
            env: redis === undefined ? {} : { REDIS_URL: redis, CLUSTER_NAME: "disruption_gateway_test" }
          })
          const machines = yield* Effect.all([fleet.start(), fleet.start(), fleet.start()])
          yield* untilTrue(() => machines.some((machine) => machine.shards().size > 0), fleet.describe)
          yield* until(
            fleet.simulator.counts,
            ({ identifies }) => identifies > 0 && identifies < shards,
            fleet.describe
          )
          const [busiest] = machines.toSorted((a, b) => b.shards().size - a.shards().size)
          if (busiest !== undefined) yield* busiest.end("SIGKILL")
          yield* fleet.allConnected
          const { identifies, identifyViolations } = yield* fleet.simulator.counts
          assert.strictEqual(identifyViolations, 0)
          // A session whose READY the killed machine had no time to store is lost with it.
          assert.isAtLeast(identifies, shards)
          assert.isAtMost(identifies, shards + 2)
        }).pipe(
          Effect.provide(
            DiscordSimulator.serve({ token: `bot-${process.hrtime()[1]}`, maxConcurrency: 2, shards, history: 2000 })
          )
        )
    )
  }
})
