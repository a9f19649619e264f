import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { beforeAll } from "vitest"
import * as Database from "../../cluster-proof/Database.ts"
import * as Machines from "../../cluster-proof/Machines.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import { hasPostgres } from "../services/LocalServices.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

beforeAll(() => {
  if (!hasPostgres) return
  execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "--project", "cluster-proof/tsconfig.json"], {
    cwd: root
  })
}, 120_000)

const shards = 8

describe.skipIf(!hasPostgres)("a fleet of machines", () => {
  it.live(
    "goes on by RESUME when a machine is killed, told to stop or new, and loses nothing",
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
        const afterKill = yield* fleet.allConnected("10 seconds")
        const third = yield* fleet.start()
        yield* Effect.sleep("4 seconds")
        yield* second.end("SIGTERM")
        const afterTerm = yield* fleet.allConnected("5 seconds")
        yield* Effect.sleep("1 second")
        const tally = yield* fleet.settled
        const counts = yield* fleet.simulator.counts
        console.log(afterKill, afterTerm, tally, counts)
        if (process.env.SHOW) console.log(first.output(), "-----2", second.output(), "-----3", third.output())
        assert.strictEqual(tally.lost, 0)
        assert.strictEqual(counts.identifies, shards)
        assert.strictEqual(counts.identifyViolations, 0)
      }).pipe(Effect.provide(DiscordSimulator.serve({ maxConcurrency: shards, shards, history: 2000 }))),
    120_000
  )
})
