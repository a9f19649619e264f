import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { beforeAll } from "vitest"
import * as Database from "../../cluster/Database.ts"
import * as Machines from "../../cluster/Machines.ts"
import * as Proxy from "../../cluster/Proxy.ts"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import { hasPostgres, hasRedis } from "../../support/LocalServices.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

beforeAll(() => {
  if (!hasPostgres) return
  execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "--project", "cluster-proof/tsconfig.json"], {
    cwd: root
  })
}, 120_000)

const shards = 8
const discord = (maxConcurrency: number) => DiscordSimulator.serve({ maxConcurrency, shards, history: 2000 })

/** Every message was handled, and no shard identified twice. */
const nothingLost = Effect.fnUntraced(function* (fleet: Effect.Success<ReturnType<typeof Machines.make>>) {
  const { dispatched, lost } = yield* fleet.settled
  assert.isAbove(dispatched, 100)
  assert.strictEqual(lost, 0)
  const { identifies, identifyViolations } = yield* fleet.simulator.counts
  assert.deepStrictEqual({ identifies, identifyViolations }, { identifies: shards, identifyViolations: 0 })
})

describe.skipIf(!hasPostgres)("a fleet of processes", { concurrent: true }, () => {
  it.live(
    "goes on by RESUME when a machine is killed, told to stop, or new",
    () =>
      Effect.gen(function* () {
        const database = yield* Database.make
        const fleet = yield* Machines.make({ shards, databaseUrl: database.url() })
        const first = yield* fleet.start()
        yield* fleet.allConnected("30 seconds")
        yield* fleet.traffic(20)
        const second = yield* fleet.start()
        yield* Effect.sleep("4 seconds")
        yield* first.end("SIGKILL")
        yield* fleet.allConnected("10 seconds")
        yield* fleet.start()
        yield* Effect.sleep("3 seconds")
        yield* second.end("SIGTERM")
        yield* fleet.allConnected("5 seconds")
        yield* nothingLost(fleet)
      }).pipe(Effect.provide(discord(shards))),
    60_000
  )

  it.live(
    "stops its shards before others may take them when the database is cut off, and resumes them when it is back",
    () =>
      Effect.gen(function* () {
        const database = yield* Database.make
        const proxy = yield* Proxy.make(Database.server)
        const fleet = yield* Machines.make({ shards, databaseUrl: database.url(proxy.port) })
        yield* fleet.start()
        yield* fleet.start()
        yield* fleet.allConnected("30 seconds")
        yield* fleet.traffic(20)
        yield* Effect.sleep("3 seconds")
        yield* proxy.stall
        const stopped = yield* fleet.noneConnected("10 seconds")
        // Their locks last for 6 seconds.
        assert.isBelow(Duration.toMillis(stopped), 6000)
        yield* Effect.sleep("5 seconds")
        yield* proxy.restore
        yield* fleet.allConnected("20 seconds")
        yield* nothingLost(fleet)
      }).pipe(Effect.provide(discord(shards))),
    60_000
  )

  it.live(
    "never has a shard on two machines when one of them is cut off from the database",
    () =>
      Effect.gen(function* () {
        const database = yield* Database.make
        const proxy = yield* Proxy.make(Database.server)
        const fleet = yield* Machines.make({ shards, databaseUrl: database.url() })
        yield* fleet.start({ DATABASE_URL: database.url(proxy.port) })
        yield* fleet.allConnected("30 seconds")
        yield* fleet.traffic(20)
        yield* fleet.start()
        yield* Effect.sleep("3 seconds")
        const { resumes } = yield* fleet.simulator.counts
        yield* proxy.stall
        // It stops what it has within 4 seconds, and its locks end after 6.
        yield* Effect.sleep("8 seconds")
        yield* fleet.allConnected("5 seconds")
        assert.isAbove((yield* fleet.simulator.counts).resumes, resumes)
        yield* nothingLost(fleet)
        // Discord would have dropped the connection of a shard that resumes on another one.
        const taken = (yield* fleet.simulator.connections).filter(({ end }) => end?.by === "server")
        assert.deepStrictEqual(taken, [])
      }).pipe(Effect.provide(discord(shards))),
    60_000
  )

  it.live(
    "takes the shards of a machine that hangs, which gives them up when it goes on",
    () =>
      Effect.gen(function* () {
        const database = yield* Database.make
        const fleet = yield* Machines.make({ shards, databaseUrl: database.url() })
        const first = yield* fleet.start()
        yield* fleet.allConnected("30 seconds")
        const second = yield* fleet.start()
        yield* fleet.traffic(20)
        yield* Effect.sleep("3 seconds")
        yield* first.signal("SIGSTOP")
        yield* Effect.sleep("12 seconds")
        const { resumes } = yield* fleet.simulator.counts
        assert.isAtLeast(resumes, 1)
        yield* first.signal("SIGCONT")
        yield* Effect.sleep("5 seconds")
        yield* second.end("SIGKILL")
        yield* fleet.allConnected("12 seconds")
        yield* nothingLost(fleet)
      }).pipe(Effect.provide(discord(shards))),
    60_000
  )

  it.live.skipIf(!hasRedis)(
    "keeps the limit of IDENTIFYs on a first start of which one machine is killed, in PostgreSQL and in Redis",
    () =>
      Effect.forEach(
        [undefined, "redis://127.0.0.1:6379"],
        (redis) =>
          Effect.gen(function* () {
            const database = yield* Database.make
            const fleet = yield* Machines.make({
              shards,
              databaseUrl: database.url(),
              env: redis === undefined ? {} : { REDIS_URL: redis, CLUSTER_NAME: "disruption_gateway_test" }
            })
            const [first] = yield* Effect.all([fleet.start(), fleet.start(), fleet.start()])
            yield* Effect.sleep("4 seconds")
            yield* first.end("SIGKILL")
            yield* fleet.allConnected("40 seconds")
            const { identifies, identifyViolations } = yield* fleet.simulator.counts
            assert.deepStrictEqual({ identifies, identifyViolations }, { identifies: shards, identifyViolations: 0 })
          }).pipe(
            Effect.scoped,
            Effect.provide(
              DiscordSimulator.serve({ token: `bot-${process.hrtime()[1]}`, maxConcurrency: 4, shards, history: 2000 })
            )
          ),
        { concurrency: 2 }
      ),
    90_000
  )
})
