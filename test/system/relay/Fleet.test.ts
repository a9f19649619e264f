import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { assert, describe, it } from "@effect/vitest"
import { PresenceUpdateStatus } from "discord-api-types/v10"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { Gateway } from "../../../src/gateway/Gateway.ts"
import * as RedisBroker from "../../../src/relay/redis/RedisBroker.ts"
import { RelayBroker } from "../../../src/relay/RelayBroker.ts"
import * as RelayGateway from "../../../src/relay/RelayGateway.ts"
import { SendEvent } from "../../../src/schema/SendEvent.ts"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import * as Database from "../../cluster/Database.ts"
import { freePort } from "../../cluster/Machines.ts"
import { handledIn, judge } from "../../relay/HandledRecord.ts"
import { hasPostgres, hasRedis } from "../../support/LocalServices.ts"
import { until, untilTrue } from "../../support/Patience.ts"
import * as Process from "../../support/Process.ts"

const redis = "redis://127.0.0.1:6379"
const total = 4
const scriptOf = (name: string) => fileURLToPath(new URL(`../../dist/${name}.js`, import.meta.url))

/** Guilds of all shards. */
const guilds = Array.from({ length: 40 }, (_, n) => String((1_000_000_000n + BigInt(n)) << 22n))

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "relay-fleet-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

const discord = DiscordSimulator.serve({
  shards: total,
  maxConcurrency: 16,
  heartbeatInterval: "2 seconds",
  heartbeatTimeout: false,
  sessionTimeout: "1 hour",
  forgetsAcknowledged: true
})

describe.skipIf(!hasRedis || !hasPostgres)("a fleet of relays", () => {
  it.live("deals the shards among its relays, and publishes everything once, in order, when one is killed", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const database = yield* Database.make
      const name = `fleet_${(yield* Random.nextIntBetween(0, 2 ** 40)).toString(36)}`
      const record = join(yield* folder, "record")
      const env = { PROOF_BROKER: redis, PROOF_NAME: name, PROOF_RECORD: record, PROOF_MODE: "relay" }
      const start = Effect.gen(function* () {
        const port = yield* freePort
        return yield* Process.start(process.execPath, [scriptOf("relayfleet")], {
          env: {
            ...env,
            DISCORD_TOKEN: Redacted.value(simulator.token),
            DISCORD_API_URL: simulator.apiUrl,
            DISCORD_SHARDS: String(total),
            CLUSTER_HOST: "127.0.0.1",
            CLUSTER_PORT: String(port),
            CLUSTER_LISTEN_HOST: "127.0.0.1",
            CLUSTER_LOCK_EXPIRATION: "3 seconds",
            DATABASE_URL: database.url()
          }
        })
      })
      const first = yield* start
      const bot = yield* Process.start(process.execPath, [scriptOf("relaybot")], { env })
      const processes = [first, bot]
      const describe = () => processes.map(({ description }) => description).join("\n")
      yield* until(simulator.sessions, ({ length }) => length === total, describe)

      let dispatched = 0
      let isOver = false
      yield* Effect.forkScoped(
        Effect.repeat(
          Effect.suspend(() => {
            if (isOver) return Effect.void
            const n = dispatched++
            return simulator.dispatch("MESSAGE_CREATE", { id: String(n), guild_id: guilds[n % guilds.length] ?? "" })
          }),
          Schedule.fixed("10 millis")
        )
      )
      /** Waits until messages of all guilds are handled that are dispatched from now on. */
      const allGo = Effect.suspend(() => {
        const from = dispatched
        return untilTrue(
          () => new Set(handledIn(record).flatMap(({ guild, n }) => (n >= from ? [guild] : []))).size === guilds.length,
          describe
        )
      })
      yield* allGo

      const second = yield* start
      processes.push(second)
      yield* second.says("Resumed session")
      yield* allGo

      // Consumers see one bot, and their calls go to whichever relay has the shard.
      const broker = RedisBroker.layer({ name }).pipe(Layer.provide(NodeRedis.layer({ url: redis })))
      yield* Effect.gen(function* () {
        const gateway = yield* Gateway
        yield* until(gateway.shards, (shards) => shards.filter(({ state }) => state === "ready").length === total)
        assert.deepStrictEqual(
          (yield* gateway.shards).map(({ shard }) => shard.id),
          [0, 1, 2, 3]
        )
        const state = { channel_id: null, self_deaf: false, self_mute: false }
        for (const guild_id of guilds.slice(0, total)) {
          yield* gateway.send(SendEvent.updateVoiceState({ guild_id, ...state }))
        }
        const updatePresence = gateway.send(
          SendEvent.updatePresence({ since: null, activities: [], status: PresenceUpdateStatus.Idle, afk: false })
        )
        // On whichever connection: one may be followed by another meanwhile.
        const presences = Effect.map(
          simulator.connections,
          (connections) =>
            new Set(connections.flatMap(({ frames, shard }) => (frames.some(({ op }) => op === 3) ? [shard] : []))).size
        )
        // On a slow machine a shard may be between two relays at that moment: it has the next one.
        yield* until(Effect.andThen(updatePresence, presences), (count) => count === total, describe)
        assert.strictEqual((yield* Effect.flip(gateway.reshard(8))).reason._tag, "InvalidConfig")
      }).pipe(Effect.provide(RelayGateway.layer({ connect: "manual" }).pipe(Layer.provide(broker))))

      yield* second.end("SIGKILL")
      yield* allGo
      isOver = true
      yield* untilTrue(() => new Set(handledIn(record).map(({ n }) => n)).size === dispatched, describe)
      const status = yield* RelayBroker.use((broker) => broker.status).pipe(Effect.provide(broker))
      assert.strictEqual(status.depth, 0)
      assert.deepStrictEqual(judge(handledIn(record), dispatched), { lost: 0, doubled: 0, outOfOrder: 0 })
      assert.strictEqual((yield* simulator.counts).identifies, total)
      yield* bot.end("SIGTERM")
      yield* first.end("SIGTERM")
    }).pipe(Effect.scoped, Effect.provide(discord))
  )
})
