// Starts a Discord of its own and three machines of a cluster, kills one of them, starts another in its place, and shows all
// the while which machine runs which shard: `npm run example:cluster`. Takes PostgreSQL (DATABASE_URL) and Redis
// (REDIS_URL); where they are on this computer nothing has to be set.
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { DiscordSimulator } from "disruption-gateway/testing"
import { Config, Console, Effect, Redacted, Schema } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"

const shards = 12
const bot = fileURLToPath(new URL("./bot.js", import.meta.url))
const Shards = Schema.Array(Schema.Struct({ shard: Schema.String, state: Schema.String }))

/** Starts a machine; it ends with the scope. */
const start = (name: string, port: number) =>
  Effect.gen(function* () {
    const simulator = yield* DiscordSimulator
    const databaseUrl = yield* Config.withDefault(
      Config.String("DATABASE_URL"),
      "postgres://postgres@127.0.0.1:5432/postgres"
    )
    const redisUrl = yield* Config.withDefault(Config.String("REDIS_URL"), "redis://127.0.0.1:6379")
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [bot], {
          stdio: ["ignore", "ignore", "inherit"],
          env: {
            ...process.env,
            DATABASE_URL: databaseUrl,
            REDIS_URL: redisUrl,
            DISCORD_TOKEN: Redacted.value(simulator.token),
            DISCORD_API_URL: simulator.apiUrl,
            DISCORD_SHARDS: String(shards),
            CLUSTER_NAME: "example",
            CLUSTER_HOST: "127.0.0.1",
            CLUSTER_PORT: String(port),
            HEALTH_PORT: String(port + 100)
          }
        })
      ),
      (child) => Effect.sync(() => child.kill("SIGTERM"))
    )
    return { name, port, kill: Effect.sync(() => child.kill("SIGKILL")) }
  })

/** Which shards a machine says it runs: none, if it does not answer. */
const shardsOf = ({ port }: { readonly port: number }) =>
  HttpClient.get(`http://127.0.0.1:${port + 100}/shards`).pipe(
    Effect.flatMap(HttpClientResponse.schemaBodyJson(Shards)),
    Effect.map((all) =>
      all
        .filter(({ state }) => state === "ready")
        .map(({ shard }) => Number.parseInt(shard))
        .toSorted((a, b) => a - b)
    ),
    Effect.timeout("500 millis"),
    Effect.orElseSucceed((): ReadonlyArray<number> => [])
  )

const show = (machines: ReadonlyArray<{ readonly name: string; readonly port: number }>, seconds: number) =>
  Effect.gen(function* () {
    for (let i = 0; i < seconds; i++) {
      const places = yield* Effect.forEach(machines, (machine) =>
        Effect.map(shardsOf(machine), (ids) => `${machine.name}: ${ids.join(" ").padEnd(2 * shards + 2)}`)
      )
      yield* Console.log(places.join(" | "))
      yield* Effect.sleep("1 second")
    }
  })

Effect.gen(function* () {
  const a = yield* start("A", 35101)
  const b = yield* start("B", 35102)
  const c = yield* start("C", 35103)
  yield* Console.log(
    `three machines for ${shards} shards, with a dashboard at http://127.0.0.1:${c.port + 100}/gateway/`
  )
  yield* show([a, b, c], 12)
  yield* a.kill
  yield* Console.log("A is killed: its shards go on elsewhere by RESUME")
  yield* show([a, b, c], 12)
  const d = yield* start("D", 35104)
  yield* Console.log("D takes part: it is given its share, by RESUME")
  yield* show([b, c, d], 10)
  const { identifies, resumes } = yield* (yield* DiscordSimulator).counts
  yield* Console.log(`${identifies} IDENTIFYs, all at the start, and ${resumes} RESUMEs`)
}).pipe(
  Effect.scoped,
  Effect.provide([DiscordSimulator.serve({ shards, maxConcurrency: shards }), NodeHttpClient.layerNodeHttp]),
  NodeRuntime.runMain
)
