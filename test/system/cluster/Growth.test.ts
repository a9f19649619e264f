import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import * as Database from "../../cluster/Database.ts"
import * as Machines from "../../cluster/Machines.ts"
import { hasPostgres } from "../../support/LocalServices.ts"
import { until, untilTrue } from "../../support/Patience.ts"

const guildsPerShard = 10

describe.skipIf(!hasPostgres)("a cluster of processes with as many shards as Discord recommends", () => {
  it.live("grows twice with its guilds, once while the machine that sees to it is killed, and loses nothing", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      const cluster = yield* Machines.make({
        shards: 4,
        databaseUrl: database.url(),
        env: { DISCORD_SHARDS: "auto", PROOF_GROWTH: "2 seconds" }
      })
      const { simulator } = cluster
      const machines = yield* Effect.all([cluster.start(), cluster.start()])
      yield* cluster.allConnected
      const guilds = [...(yield* simulator.joinGuilds(1))]
      let sent = 0
      const talking = yield* Effect.forkScoped(
        Effect.forever(
          Effect.delay(
            Effect.suspend(() =>
              simulator.dispatch("MESSAGE_CREATE", {
                id: String(sent),
                guild_id: guilds[sent++ % guilds.length] ?? "1"
              })
            ),
            "20 millis"
          )
        )
      )
      const open = Effect.map(simulator.connections, (connections) =>
        connections.filter(({ end, shard }) => end === undefined && shard !== undefined)
      )
      /** The bot has so many shards, and no others. */
      const grown = (from: number, to: number) =>
        Effect.andThen(
          untilTrue(
            () => machines.some(({ process }) => process.stdout.includes(`Resharded from ${from} to ${to} shards`)),
            cluster.describe
          ),
          until(open, (connections) => connections.length === to, cluster.describe)
        )
      const join = (count: number) => Effect.map(simulator.joinGuilds(count), (ids) => void guilds.push(...ids))

      yield* join(4 * guildsPerShard)
      yield* grown(4, 8)
      const { identifies } = yield* simulator.counts
      assert.strictEqual(identifies, 4 + 8)

      yield* join(4 * guildsPerShard)
      const growing = () => machines.findIndex(({ process }) => process.stdout.includes("to 12 shards"))
      yield* untilTrue(() => growing() >= 0, cluster.describe)
      // Some of the twelve wait for their turns.
      yield* until(simulator.counts, (counts) => counts.identifies > 4 + 8, cluster.describe)
      const [killed] = machines.splice(growing(), 1)
      assert.isDefined(killed)
      yield* killed?.end("SIGKILL") ?? Effect.void
      machines.push(yield* cluster.start())
      yield* grown(8, 12)

      yield* Fiber.interrupt(talking)
      const missing = Effect.map(cluster.recorded, (recorded) => {
        const seen = new Set([...recorded.matchAll(/^\d+ (\d+) \d+$/gm)].map(([, id]) => Number(id)))
        return Array.from({ length: sent }, (_, id) => id).filter((id) => !seen.has(id))
      })
      yield* until(missing, (ids) => ids.length === 0, cluster.describe)
      const counts = yield* simulator.counts
      process.stdout.write(`a cluster grew to 8 and 12 shards: ${sent} messages, ${counts.identifies} IDENTIFYs\n`)
      assert.deepStrictEqual([counts.identifyViolations, counts.overruns], [0, 0])
      assert.isAtLeast(counts.identifies, 4 + 8 + 12)
      // Sessions whose READY the killed machine had no time to store.
      assert.isAtMost(counts.identifies, 4 + 8 + 12 + 4)
    }).pipe(
      Effect.provide(
        DiscordSimulator.serve({ guilds: 4 * guildsPerShard - 1, guildsPerShard, maxConcurrency: 4, history: 2000 })
      )
    )
  )
})
