import { fileURLToPath } from "node:url"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import { connect } from "@nats-io/transport-node"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import * as Database from "../../cluster/Database.ts"
import * as NatsStreams from "../../relay/NatsStreams.ts"
import * as CommandLine from "../../support/CommandLine.ts"
import { hasNats, hasPostgres, hasRedis } from "../../support/LocalServices.ts"
import { until } from "../../support/Patience.ts"
import * as Process from "../../support/Process.ts"

const url = "redis://127.0.0.1:6379"
const root = fileURLToPath(new URL("../../..", import.meta.url))

describe.skipIf(!hasRedis)("disruption-gateway relay", () => {
  it.live("writes to Redis what a consumer in plain JavaScript reads, and hands over to a second one", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const name = `command_${(yield* Random.nextIntBetween(0, 2 ** 40)).toString(36)}`
      const env = { ...(yield* CommandLine.environment), RELAY_BROKER: url, RELAY_NAME: name }
      const relay = yield* CommandLine.start(["relay", "--dashboard", "127.0.0.1:0"], { env })
      const [, address = ""] = yield* relay.says(/Dashboard: (http:\S+)/)
      yield* until(simulator.sessions, ({ length }) => length === 1)
      const consumer = yield* Process.start(process.execPath, ["examples/relay/consumer.mjs", url, name], { cwd: root })
      const dispatch = (n: number) => simulator.dispatch("MESSAGE_CREATE", { id: String(n), guild_id: "41" })
      for (let n = 1; n <= 10; n++) yield* dispatch(n)
      yield* consumer.says("10 41")
      const status = yield* until(
        Effect.promise(async () => {
          const response = await fetch(`${address}/relay`)
          return { code: response.status, text: await response.text() }
        }),
        ({ text }) => text.includes('"depth":0') && !text.includes('"published":0')
      )
      assert.strictEqual(status.code, 200)
      // The second waits for the first one, and goes on with its sessions.
      const second = yield* CommandLine.start(["relay"], { env })
      yield* second.says("Waiting for the sessions")
      yield* relay.end("SIGTERM")
      yield* second.says("Resumed session")
      for (let n = 11; n <= 20; n++) yield* dispatch(n)
      yield* consumer.says("20 41")
      assert.strictEqual(consumer.stdout, Array.from({ length: 20 }, (_, index) => `${index + 1} 41\n`).join(""))
      assert.deepInclude(yield* simulator.counts, { identifies: 1, resumes: 1 })
      yield* second.end("SIGTERM")
    }).pipe(Effect.scoped, Effect.provide(DiscordSimulator.serve()))
  )

  it.live.skipIf(!hasNats)("keeps its sessions in NATS, too, and hands over to a second one", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const name = `command_${(yield* Random.nextIntBetween(0, 2 ** 40)).toString(36)}`
      const servers = "nats://127.0.0.1:4222"
      const env = { ...(yield* CommandLine.environment), RELAY_BROKER: servers, RELAY_NAME: name }
      yield* Effect.acquireRelease(
        Effect.promise(() => connect({ servers })),
        (connection) =>
          Effect.andThen(
            NatsStreams.remove(connection, name),
            Effect.promise(() => connection.close())
          )
      )
      const relay = yield* CommandLine.start(["relay"], { env })
      yield* relay.says(`Relaying to 127.0.0.1:4222 as ${name}`)
      yield* until(simulator.sessions, ({ length }) => length === 1)
      yield* simulator.dispatch("MESSAGE_CREATE", { id: "1", guild_id: "41" })
      const second = yield* CommandLine.start(["relay"], { env })
      yield* second.says("Waiting for the sessions")
      yield* relay.end("SIGTERM")
      yield* second.says("Resumed session")
      // One that is killed is followed when its lease has run out.
      const third = yield* CommandLine.start(["relay"], { env })
      yield* third.says("Waiting for the sessions")
      yield* second.end("SIGKILL")
      yield* third.says("Resumed session")
      assert.deepInclude(yield* simulator.counts, { identifies: 1, resumes: 2 })
      yield* third.end("SIGTERM")
    }).pipe(Effect.scoped, Effect.provide(DiscordSimulator.serve()))
  )

  it.live("says what is missing or wrong", () =>
    Effect.gen(function* () {
      const without = yield* CommandLine.finish(["relay"])
      assert.strictEqual(without.code, 1)
      assert.include(without.stderr, "RELAY_BROKER")
      const wrong = yield* CommandLine.finish(["relay", "--broker", "http://user:secret@127.0.0.1"])
      assert.strictEqual(wrong.code, 1)
      assert.include(wrong.stderr, "a URL of Redis")
      assert.notInclude(wrong.stderr, "secret")
      const many = yield* CommandLine.finish(["relay", "--broker", "nats://127.0.0.1:4222"], { RELAY_REPLICAS: "9" })
      assert.strictEqual(many.code, 1)
      assert.include(many.stderr, "RELAY_REPLICAS: it takes the number of servers")
      const other = yield* CommandLine.finish(["relay", "--broker", "redis://127.0.0.1:6379"], { RELAY_REPLICAS: "3" })
      assert.strictEqual(other.code, 1)
      assert.include(other.stderr, "RELAY_REPLICAS: Redis copies by its own settings")
    })
  )
})

describe.skipIf(!hasPostgres)("disruption-gateway relay on PostgreSQL", () => {
  it.live("writes what a consumer reads by SQL alone, keeps the sessions, and hands over to a second one", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const database = yield* Database.make
      const env = { ...(yield* CommandLine.environment), RELAY_BROKER: database.url(), RELAY_NAME: "a bot" }
      const relay = yield* CommandLine.start(["relay"], { env })
      yield* relay.says("Relaying to 127.0.0.1:5432 as a bot")
      yield* until(simulator.sessions, ({ length }) => length === 1)
      const dispatch = (n: number) => simulator.dispatch("MESSAGE_CREATE", { id: String(n), guild_id: "41" })
      for (let n = 1; n <= 10; n++) yield* dispatch(n)
      const sql = PgClient.layer({ url: Redacted.make(database.url()), maxConnections: 1 })
      const take = SqlClient.SqlClient.use(
        (sql) => sql<{ readonly id: string }>`
          WITH handled AS (
            DELETE FROM disruption_gateway_relay_entries AS entry USING disruption_gateway_relay_bots AS bot
            WHERE entry.bot = bot.id AND bot.name = 'a bot' RETURNING entry.*
          )
          SELECT payload::json -> 'd' ->> 'id' AS id FROM handled
          WHERE event = 'MESSAGE_CREATE' AND version = 1 ORDER BY partition, position`
      ).pipe(
        Effect.provide(sql),
        Effect.map((rows) => rows.map(({ id }) => Number(id)))
      )
      const taken: Array<number> = []
      const untilTaken = (count: number) =>
        until(
          Effect.map(take, (ids) => taken.push(...ids)),
          (length) => length >= count
        )
      yield* untilTaken(10)
      // The second waits for the first one, and goes on with its sessions.
      const second = yield* CommandLine.start(["relay"], { env })
      yield* second.says("Waiting for the sessions")
      yield* relay.end("SIGTERM")
      yield* second.says("Resumed session")
      for (let n = 11; n <= 20; n++) yield* dispatch(n)
      yield* untilTaken(20)
      assert.deepStrictEqual(
        taken,
        Array.from({ length: 20 }, (_, index) => index + 1)
      )
      assert.deepInclude(yield* simulator.counts, { identifies: 1, resumes: 1 })
      yield* second.end("SIGTERM")
    }).pipe(Effect.scoped, Effect.provide(DiscordSimulator.serve()))
  )

  it.live("says which database does not answer, without its password", () =>
    Effect.gen(function* () {
      const env = { DISCORD_TOKEN: "simulated-token", RELAY_BROKER: "postgres://bot:a-secret@127.0.0.1:1/bot" }
      const relay = yield* CommandLine.start(["relay"], { env })
      yield* relay.says(/The broker at 127.0.0.1:1 cannot be opened, trying again.*ECONNREFUSED/)
      yield* relay.end("SIGTERM")
      assert.notInclude(relay.output, "a-secret")
    }).pipe(Effect.scoped)
  )
})
