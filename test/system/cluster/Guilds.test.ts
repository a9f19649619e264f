import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
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
import { hasPostgres } from "../../support/LocalServices.ts"
import { until, untilTrue } from "../../support/Patience.ts"

const shards = 4

const configured = Layer.unwrap(
  Effect.map(DiscordSimulator, ({ apiUrl, token }) => GatewayConfig.layer({ token, apiUrl, shards }))
)

/** A machine that knows the guilds of its shards by what its programs were given, and which of them were handed out as replayed. */
const machine = Effect.fnUntraced(function* (databaseUrl: string) {
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
          NodeCluster.layer({ host: "127.0.0.1", port, listenHost: "127.0.0.1", sharding: { shardsPerGroup: shards } })
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

const leftOut = new Set(["members", "presences", "voice_states"])

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
        Layer.merge(DiscordSimulator.serve({ guilds: 12, shards, maxConcurrency: shards }), Logger.layer([]))
      )
    )
  )
})
