import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Database from "../../cluster/Database.ts"
import { freePort } from "../../cluster/Machines.ts"
import { GatewayCluster } from "../../../src/cluster/GatewayCluster.ts"
import * as NodeCluster from "../../../src/cluster/NodeCluster.ts"
import { Gateway } from "../../../src/gateway/Gateway.ts"
import { GatewayConfig } from "../../../src/services/GatewayConfig.ts"
import { GuildSnapshots } from "../../../src/services/GuildSnapshots.ts"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import { Guilds, type SimulatedGuild } from "../../../src/simulator/Guilds.ts"
import { randomChange } from "../../guilds/RandomChange.ts"
import * as Dice from "../../simulation/Dice.ts"
import { hasPostgres, hasRedis } from "../../support/LocalServices.ts"
import { until, untilTrue } from "../../support/Patience.ts"

const shards = 4
/** With the id of a bot in it, which names what is kept. */
const token = `${btoa("123456789012345678")}.simulated.token`

const configured = Layer.unwrap(
  Effect.map(DiscordSimulator, ({ apiUrl, token }) =>
    GatewayConfig.layer({
      token,
      apiUrl,
      shards,
      intents: ["GUILDS", "GUILD_MEMBERS", "GUILD_EXPRESSIONS", "GUILD_SCHEDULED_EVENTS"]
    })
  )
)

/** A machine that knows the guilds of its shards by what its programs were given, and which of them were handed out as replayed. */
const machine = Effect.fnUntraced(function* (databaseUrl: string, stores: Partial<NodeCluster.MachineOptions> = {}) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const port = yield* freePort
  const known = new Guilds(0)
  const replayed = new Set<string>()
  const program = Gateway.use((gateway) =>
    gateway.runForEach(({ d, replayed: isReplayed, t }) =>
      Effect.sync(() => {
        if (t === null) return
        if (isReplayed === true) replayed.add((d as { id: string }).id)
        known.apply(t, structuredClone(d))
      })
    )
  )
  const context = yield* Layer.buildWithScope(
    Layer.fresh(
      GatewayCluster.layer(program).pipe(
        Layer.provide(GuildSnapshots.layerPersisted),
        Layer.provide(
          NodeCluster.layer({
            host: "127.0.0.1",
            port,
            listenHost: "127.0.0.1",
            sharding: { shardsPerGroup: shards },
            ...stores
          })
        ),
        Layer.provide([PgClient.layer({ url: Redacted.make(databaseUrl) }), configured])
      )
    ),
    scope
  )
  return { cluster: Context.get(context, GatewayCluster), known, replayed, leave: Scope.close(scope, Exit.void) }
})

const allReady = (cluster: GatewayCluster["Service"]) =>
  until(cluster.shards, (all) => all.every(({ state }) => state === "ready"))

/** The count of members is of the snapshot alone: a replay counts twice in a program. */
const leftOut = new Set(["members", "presences", "voice_states", "member_count"])

const kept = (guilds: ReadonlyArray<SimulatedGuild>) =>
  new Map(
    guilds.map((guild) => [
      guild.id,
      JSON.stringify(
        Object.entries(guild)
          .filter(([name]) => !leftOut.has(name))
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
      )
    ])
  )

describe.skipIf(!hasPostgres)("guilds that are kept in a cluster", () => {
  it.live("move with their shards", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const database = yield* Database.make
      const one = yield* machine(database.url())
      yield* allReady(one.cluster)
      const change = (name: string) =>
        Effect.flatMap(simulator.guilds, (guilds) =>
          simulator.dispatchAll(
            guilds.map(({ id }) => ({
              t: "CHANNEL_CREATE",
              d: { id: `${name.length}7`, guild_id: id, type: 0, name },
              guild: id
            }))
          )
        )
      yield* change("news")
      yield* untilTrue(() => one.known.all().length === 12)
      const two = yield* machine(database.url())
      yield* until(two.cluster.here, (here) => here.length > 0 && here.every(({ state }) => state === "ready"))
      yield* change("more news")
      yield* one.leave
      yield* until(two.cluster.here, (here) => here.length === shards && here.every(({ state }) => state === "ready"))
      const expected = kept(yield* simulator.guilds)
      yield* untilTrue(() => {
        const known = kept(two.known.all())
        return [...expected].every(([id, guild]) => known.get(id) === guild)
      })
      assert.strictEqual(two.replayed.size, 12, "each was handed out from the store")
      assert.strictEqual((yield* simulator.counts).identifies, shards)
      yield* two.leave
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Layer.merge(DiscordSimulator.serve({ guilds: 12, shards, maxConcurrency: shards, token }), Logger.layer([]))
      )
    )
  )

  for (const [where, redis] of [
    ["PostgreSQL", undefined],
    ["Redis", "redis://127.0.0.1:6379"]
  ] as const) {
    it.live.skipIf(redis !== undefined && !hasRedis)(
      `are Discord's after each of ten moves under random changes, with sessions in ${where}`,
      () =>
        Effect.gen(function* () {
          const simulator = yield* DiscordSimulator
          const database = yield* Database.make
          const dice = Dice.make(yield* Random.Random.pipe(Random.withSeed(where.length)))
          const stores =
            redis === undefined
              ? {}
              : {
                  redis: Redacted.make(redis),
                  name: `proof_${(yield* Random.nextIntBetween(0, 2 ** 40)).toString(36)}`
                }
          const start = machine(database.url(), stores)
          let machines = [yield* start]
          yield* until(
            Effect.sync(() => machines[0]?.known.all().length),
            (guilds) => guilds === 12
          )
          let changes = 0
          let handedOut = 0
          const change = (count: number) =>
            Effect.replicateEffect(
              Effect.andThen(
                randomChange(dice),
                Effect.sync(() => void changes++)
              ),
              count,
              { discard: true }
            )
          for (let move = 0; move < 10; move++) {
            yield* change(dice.integer(0, 12))
            const next = yield* start
            // Some moves are of half of the shards, and then of the others.
            if (dice.chance(0.5)) {
              yield* until(next.cluster.here, (here) => here.some(({ state }) => state === "ready"))
              yield* change(dice.integer(0, 6))
            }
            const leaving = yield* Effect.forkChild(
              Effect.forEach(machines, ({ leave }) => leave, { concurrency: "unbounded" })
            )
            yield* change(dice.integer(0, 6))
            yield* Fiber.join(leaving)
            machines = [next]
            yield* until(
              next.cluster.here,
              (here) => here.length === shards && here.every(({ state }) => state === "ready")
            )
            const wrong = Effect.map(simulator.guilds, (guilds) => {
              const known = kept(next.known.all())
              const expected = kept(guilds)
              return [...new Set([...known.keys(), ...expected.keys()])].filter(
                (id) => known.get(id) !== expected.get(id)
              )
            })
            yield* until(
              wrong,
              (ids) => ids.length === 0,
              () => `after move ${move}`
            )
            handedOut += next.replayed.size
          }
          const { identifies } = yield* simulator.counts
          process.stdout.write(
            `sessions in ${where}: 10 moves, ${changes} changes of guilds, ${handedOut} guilds handed out as replayed, ` +
              `${identifies} IDENTIFYs\n`
          )
          assert.isAbove(handedOut, 0)
          assert.strictEqual(identifies, shards)
        }).pipe(
          Effect.scoped,
          Effect.provide(
            Layer.merge(DiscordSimulator.serve({ guilds: 12, shards, maxConcurrency: shards, token }), Logger.layer([]))
          )
        )
    )
  }
})
