import { mkdtempSync, rmSync } from "node:fs"
import { createServer, type Server } from "node:http"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Act from "../../../src/simulator/Act.ts"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import * as Fault from "../../../src/simulator/Fault.ts"
import { sampleEvent } from "../../../src/simulator/SampleEvents.ts"
import { guild } from "../../../src/simulator/SampleGuild.ts"
import { hasRedis } from "../../support/LocalServices.ts"
import { until } from "../../support/Patience.ts"
import * as Process from "../../support/Process.ts"
import { tokenOf } from "../../support/TwoBots.ts"

const root = fileURLToPath(new URL("../../..", import.meta.url))

/** Starts an example on the served simulator; it ends with the scope. */
const start = Effect.fnUntraced(function* (name: string, env: Process.Environment = {}) {
  const { apiUrl, token } = yield* DiscordSimulator
  return yield* Process.start(process.execPath, [`examples/dist/${name}.js`], {
    cwd: root,
    env: { DISCORD_TOKEN: Redacted.value(token), DISCORD_API_URL: apiUrl, ...env }
  })
})

/** An HTTP server that takes whatever is posted to it. */
const collector = (onPost: (path: string, body: string) => void, port = 0) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly server: Server }>((resume) => {
      const server = createServer((request, response) => {
        let body = ""
        request.setEncoding("utf8").on("data", (text: string) => (body += text))
        request.on("end", () => {
          onPost(request.url ?? "", body)
          response.end("{}")
        })
      })
      server.listen(port, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed({ server, port: typeof address === "object" && address !== null ? address.port : port }))
      })
    }),
    ({ server }) => Effect.sync(() => server.close())
  )

const freePort = Effect.scoped(
  Effect.map(
    collector(() => undefined),
    ({ port }) => port
  )
)

describe("the examples", () => {
  it.live("basic-bot logs messages", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const bot = yield* start("basic-bot")
      yield* Effect.forkScoped(
        Effect.forever(
          Effect.delay(
            simulator.dispatch("MESSAGE_CREATE", { author: { username: "ada" }, content: "hello" }),
            "100 millis"
          )
        )
      )
      yield* bot.says("ada: hello")
      yield* bot.end("SIGINT")
      // The process may be gone before its close frame is read.
      const [connection] = yield* until(simulator.connections, ([first]) => first?.end !== undefined)
      assert.strictEqual(connection?.end?.code, 1000)
    }).pipe(Effect.provide(DiscordSimulator.serve()))
  )

  it.live("fatal-errors does without a privileged intent", () =>
    Effect.gen(function* () {
      const bot = yield* start("fatal-errors")
      yield* bot.says("The bot may not use MESSAGE_CONTENT. Enable it in the Developer Portal")
      yield* bot.says("ready as ")
      yield* bot.end("SIGINT")
    }).pipe(
      Effect.provide(DiscordSimulator.serve({ disallowedIntents: ["MESSAGE_CONTENT"], identifyGrace: "5 seconds" }))
    )
  )

  it.live("fatal-errors tells what to do about everything else", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.identify(Act.close(4013)))
      const bot = yield* start("fatal-errors")
      yield* bot.says("Check the option intents (DISCORD_INTENTS)")
      assert.notInclude(bot.output, "    at ")
    }).pipe(Effect.provide(DiscordSimulator.serve()))
  )

  it.live("sharded-bot runs as many shards as recommended", () =>
    Effect.gen(function* () {
      const bot = yield* start("sharded-bot")
      yield* bot.says("shard 3: Ready")
      yield* bot.says("the presence is set on all shards")
      yield* bot.says(" is on shard 2")
      yield* bot.end("SIGINT")
    }).pipe(Effect.provide(DiscordSimulator.serve({ shards: 4, maxConcurrency: 4, guilds: 40 })))
  )

  it.live("metrics-prometheus can be scraped", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const bot = yield* start("metrics-prometheus", { PORT: String(port) })
      const scrape = Effect.tryPromise(() => fetch(`http://127.0.0.1:${port}/metrics`).then((answer) => answer.text()))
      yield* until(
        Effect.orElseSucceed(scrape, () => ""),
        (text) => text.includes('discord_gateway_shards{state="ready"} 1'),
        () => bot.description
      )
    }).pipe(Effect.provide(DiscordSimulator.serve()))
  )

  it.live("telemetry-otlp sends metrics, traces and logs, and no token", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const received = new Map<string, string>()
      const { port } = yield* collector((path, body) => received.set(path, (received.get(path) ?? "") + body))
      const bot = yield* start("telemetry-otlp", { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` })
      yield* bot.says("Ready with the new session")
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "hello" })
      yield* bot.says("A message of 5 characters")
      // Ending sends what is left.
      yield* bot.end("SIGINT")
      assert.include(received.get("/v1/metrics"), "discord_gateway_dispatches_total")
      assert.include(received.get("/v1/traces"), "process MESSAGE_CREATE")
      assert.include(received.get("/v1/traces"), "Shard.identify")
      assert.include(received.get("/v1/logs"), "Ready with the new session")
      assert.notInclude([...received.values()].join(""), Redacted.value(simulator.token))
    }).pipe(Effect.provide(DiscordSimulator.serve()))
  )

  it.live("behind-a-proxy goes through it, with everything", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const { port, server } = yield* collector(() => undefined)
      server.on("connect", (request, socket) => {
        const [host = "", port] = (request.url ?? "").split(":")
        asked.push(request.url ?? "")
        const there = connect(Number(port), host, () => {
          socket.write("HTTP/1.1 200 Connection Established\r\n\r\n")
          there.pipe(socket)
          socket.pipe(there)
        })
        for (const end of [there, socket]) end.on("error", () => [there, socket].forEach((end) => end.destroy()))
      })
      const bot = yield* start("behind-a-proxy", { HTTPS_PROXY: `http://127.0.0.1:${port}` })
      yield* bot.says("is ready")
      yield* bot.end("SIGINT")
      const { apiUrl } = yield* DiscordSimulator
      // GET /gateway/bot, and the WebSocket.
      assert.deepStrictEqual(asked, [new URL(apiUrl).host, new URL(apiUrl).host])
    }).pipe(Effect.provide(DiscordSimulator.serve()))
  )

  it.live.skipIf(!hasRedis)(
    "many-processes keep one limit together, also when one is killed in the midst of it, and resume",
    () =>
      Effect.gen(function* () {
        const simulator = yield* DiscordSimulator
        const other = yield* start("many-processes", { DISCORD_SHARDS: "0,2/4" })
        yield* Effect.scoped(
          Effect.gen(function* () {
            const one = yield* start("many-processes", { DISCORD_SHARDS: "1,3/4" })
            // Killed while shards of both wait for their turns: each has dialled, at most one has had its turn.
            yield* until(
              simulator.counts,
              ({ dials }) => dials >= 2,
              () => one.description
            )
          })
        )
        const again = yield* start("many-processes", { DISCORD_SHARDS: "1,3/4" })
        yield* again.says("shard 1: RE")
        yield* again.says("shard 3: READY")
        yield* other.says("shard 0: READY")
        yield* other.says("shard 2: READY")
        const { identifies, identifyViolations } = yield* simulator.counts
        assert.strictEqual(identifyViolations, 0)
        // One for each shard; the killed process may have spent one on a session that it did not come to store.
        assert.oneOf(identifies, [4, 5])
        yield* again.end("SIGTERM")
        const resumed = yield* start("many-processes", { DISCORD_SHARDS: "1,3/4" })
        yield* resumed.says("shard 1: RESUMED")
        yield* resumed.says("shard 3: RESUMED")
        assert.strictEqual((yield* simulator.counts).identifies, identifies)
      }).pipe(
        Effect.provide(
          DiscordSimulator.serve({
            token: `shared-${process.pid}-${process.hrtime()[1]}`,
            shards: 4,
            maxConcurrency: 1
          })
        )
      )
  )

  /** What an example's handlers get of MESSAGE_CREATE. */
  const message = (content: string, username = "ada") =>
    sampleEvent("MESSAGE_CREATE", { content, author: { username } })

  it.live("echo-by-rest answers messages, and not its own", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const bot = yield* start("echo-by-rest")
      yield* bot.says("Ready with the new session")
      yield* simulator.dispatch("MESSAGE_CREATE", message("hello"))
      yield* simulator.dispatch("MESSAGE_CREATE", message("!echo !echo hello"))
      yield* simulator.dispatch("MESSAGE_CREATE", message("!echo again", "grace"))
      yield* bot.says("echoed to grace")
      const posted = (yield* simulator.requests).filter(({ method }) => method === "POST")
      assert.deepStrictEqual(
        posted.map(({ body, path }) => [path.replace(/^.*(?=\/channels)/, ""), JSON.parse(body ?? "").content]),
        ["!echo hello", "again"].map((content) => [`/channels/${message("").channel_id}/messages`, content])
      )
      // What the REST API refuses does not end it.
      yield* simulator.faults.inject(Fault.http({ status: 403 }))
      yield* simulator.dispatch("MESSAGE_CREATE", message("!echo a third time"))
      yield* bot.says("A message was not answered")
      yield* bot.end("SIGINT")
    }).pipe(Effect.provide(DiscordSimulator.serve({ guilds: 1 })))
  )

  it.live("events-side-by-side handles others while one takes its time, and finishes it when it is stopped", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const bot = yield* start("events-side-by-side")
      yield* bot.says(`in ${guild(1).name}`)
      yield* simulator.dispatch("MESSAGE_CREATE", message("hello"))
      yield* simulator.dispatch("TYPING_START", sampleEvent("TYPING_START", { guild_id: guild(1).id, user_id: "42" }))
      yield* bot.says("42 is typing")
      assert.notInclude(bot.output, "ada wrote")
      yield* bot.end("SIGTERM")
      assert.include(bot.output, "ada wrote")
    }).pipe(Effect.provide(DiscordSimulator.serve({ guilds: 2 })))
  )

  it.live("presence starts idle, and then shows the time again and again", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const bot = yield* start("presence", { PRESENCE_SECONDS: "1" })
      const updates = Effect.map(simulator.connections, (connections) =>
        connections.flatMap(({ frames }) => frames.filter(({ op }) => op === 3).map(({ payload }) => payload))
      )
      const [first] = yield* until(
        updates,
        ({ length }) => length >= 2,
        () => bot.description
      )
      assert.match(JSON.stringify(first), /"status":"online".*|"name":"it is \d\d:\d\d \(UTC\)"/)
      const [connection] = yield* simulator.connections
      const identify = connection?.frames.find(({ op }) => op === 2)
      assert.include(JSON.stringify(identify?.payload), '"status":"idle"')
      yield* bot.end("SIGINT")
    }).pipe(Effect.provide(DiscordSimulator.serve()))
  )

  it.live("voice joins, and leaves when it is stopped", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const { channel_id, guild_id = "" } = sampleEvent("VOICE_STATE_UPDATE")
      const bot = yield* start("voice", { GUILD: guild_id, CHANNEL: channel_id ?? "" })
      yield* bot.says(`in ${channel_id}: session `)
      yield* bot.end("SIGINT")
      const [connection] = yield* until(simulator.connections, ([first]) => first?.end !== undefined)
      const joined = connection?.frames.filter(({ op }) => op === 4).map(({ payload }) => JSON.stringify(payload))
      assert.lengthOf(joined ?? [], 2)
      assert.include(joined?.[0], `"channel_id":"${channel_id}"`)
      assert.include(joined?.[1], '"channel_id":null')
    }).pipe(Effect.provide(DiscordSimulator.serve({ guilds: 1 })))
  )

  it.live("members counts those of each guild", () =>
    Effect.gen(function* () {
      const bot = yield* start("members")
      for (const index of [0, 1, 2]) yield* bot.says(`${guild(index).name}: 3 people and 1 bots`)
      yield* bot.end("SIGINT")
    }).pipe(Effect.provide(DiscordSimulator.serve({ guilds: 3 })))
  )

  it.live("session-file resumes, and knows who it is, its guilds, and what it missed", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "session-file-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
      )
      const env = { SESSION_FILE: join(folder, "sessions.json") }
      const first = yield* start("session-file", env)
      yield* first.says("simulated-bot: a new session")
      yield* first.says(new RegExp(`^${guild(0).name}$`, "m"))
      yield* first.end("SIGTERM")
      yield* simulator.dispatch("MESSAGE_CREATE", message("missed"))
      const second = yield* start("session-file", env)
      yield* second.says(`${guild(0).name}, as it was`)
      yield* second.says("ada: ")
      yield* second.says("simulated-bot: the session goes on")
      yield* second.end("SIGTERM")
      assert.notInclude(second.output, "a new session")
    }).pipe(Effect.provide(DiscordSimulator.serve({ guilds: 1 })))
  )

  it.live.skipIf(!hasRedis)("redis-store resumes from Redis, and not the session of another bot", () =>
    Effect.gen(function* () {
      const first = yield* start("redis-store")
      yield* first.says("a new session")
      yield* first.end("SIGTERM")
      const second = yield* start("redis-store")
      yield* second.says("the session goes on")
      yield* second.end("SIGTERM")
      yield* Effect.gen(function* () {
        const other = yield* start("redis-store")
        yield* other.says("a new session")
        yield* other.end("SIGTERM")
      }).pipe(Effect.provide(DiscordSimulator.serve({ token: tokenOf(String(10n ** 17n + process.hrtime.bigint())) })))
    }).pipe(
      Effect.provide(DiscordSimulator.serve({ token: tokenOf(String(2n * 10n ** 17n + process.hrtime.bigint())) }))
    )
  )

  it.live("config reads variables of its own, and names one that is missing", () =>
    Effect.gen(function* () {
      const { apiUrl, token } = yield* DiscordSimulator
      const own = { BOT_API_URL: apiUrl, BOT_SHARDS: "2", BOT_GREETING: "Good morning" }
      const bot = yield* start("config", { ...own, BOT_TOKEN: Redacted.value(token) })
      yield* bot.says("Good morning, I am simulated-bot, shard 1")
      yield* bot.end("SIGINT")
      const without = yield* start("config", own)
      yield* without.says("BOT_TOKEN")
    }).pipe(Effect.provide(DiscordSimulator.serve({ shards: 2, maxConcurrency: 2 })))
  )

  it.live.skipIf(!hasRedis)("relay misses nothing while a consumer is killed and another deployed", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* Process.finish(process.execPath, ["examples/dist/relay/main.js"], {
        cwd: root
      })
      assert.strictEqual(code, 0, stderr)
      assert.match(
        stdout,
        /dispatched, 0 missed, 0 out of order, \d+ handled twice; Discord saw 1 IDENTIFY and 0 RESUMEs/
      )
    })
  )

  it.live.skipIf(!hasRedis)("relay/bots relays two bots in one process, each to consumers of its own", () =>
    Effect.gen(function* () {
      const number = String(10n ** 17n + process.hrtime.bigint())
      const bots = yield* Effect.forEach(["alpha", "beta"], (name, index) =>
        Effect.gen(function* () {
          const id = String(BigInt(number) + BigInt(index))
          const context = yield* Layer.build(Layer.fresh(DiscordSimulator.serve({ token: tokenOf(id) })))
          return { name: `${name}_${number}`, id, simulator: Context.get(context, DiscordSimulator) }
        })
      )
      const port = yield* freePort
      const variables = bots.flatMap(({ name, simulator }) => [
        [`${name.toUpperCase()}_DISCORD_TOKEN`, Redacted.value(simulator.token)],
        [`${name.toUpperCase()}_DISCORD_API_URL`, simulator.apiUrl]
      ])
      const relay = yield* Process.start(process.execPath, ["examples/dist/relay/bots.js"], {
        cwd: root,
        env: {
          RELAY_NAMES: bots.map(({ name }) => name).join(","),
          PORT: String(port),
          ...Object.fromEntries(variables)
        }
      })
      const get = (path: string) =>
        Effect.orElseSucceed(
          // One that comes between the port and the routes is not answered.
          Effect.tryPromise(() =>
            fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(1000) }).then((answer) =>
              answer.text()
            )
          ),
          () => ""
        )
      const becomes = (path: string, isSo: (text: string) => boolean) => until(get(path), isSo, () => relay.description)
      const count = (name: string) => (name.startsWith("alpha") ? 3 : 5)
      for (const { name, simulator } of bots) {
        yield* becomes(`/${name}/readyz`, (text) => text.includes("ok"))
        for (let n = 1; n <= count(name); n++) {
          yield* simulator.dispatch("MESSAGE_CREATE", { id: String(n), guild_id: `${name.length}1` })
        }
      }
      for (const { id, name } of bots) {
        // READY, too.
        yield* becomes(`/${name}/relay`, (text) => text.includes(`"depth":${count(name) + 1}`))
        assert.include(yield* get(`/${name}/relay`), `"name":"${name}"`)
        assert.include(yield* get(`/${name}/`), `<title>${name}`)
        yield* becomes("/metrics", (text) => {
          return (
            text.includes(`discord_relay_published_total{relay="${name}"} ${count(name) + 1}`) &&
            text.includes(`discord_relay_depth{relay="${name}"} ${count(name) + 1}`) &&
            new RegExp(`discord_gateway_shards\\{[^}]*bot="${id}"[^}]*\\} 1`).test(text)
          )
        })
      }
      for (const { name } of bots) {
        const consumer = yield* Process.start(process.execPath, ["examples/dist/relay/bot.js"], {
          cwd: root,
          env: { RELAY_BROKER: "redis://127.0.0.1:6379", RELAY_NAME: name }
        })
        yield* becomes(`/${name}/relay`, (text) => text.includes('"depth":0'))
        yield* consumer.end("SIGTERM")
        assert.deepStrictEqual(
          consumer.stdout.trim().split("\n"),
          Array.from({ length: count(name) }, (_, index) => `${index + 1} ${name.length}1`)
        )
      }
      for (const { simulator } of bots) assert.strictEqual((yield* simulator.counts).identifies, 1)
      yield* relay.end("SIGTERM")
    }).pipe(Effect.scoped)
  )

  it.live("larger-app writes messages with the names of their guilds", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const bot = yield* start("larger-app/main")
      yield* bot.says("Ready with the new session")
      yield* simulator.dispatch("MESSAGE_CREATE", message("hello"))
      yield* bot.says(`${guild(0).name}: ada wrote`)
      yield* bot.end("SIGINT")
    }).pipe(Effect.provide(DiscordSimulator.serve({ guilds: 1 })))
  )

  it.live("mounted-dashboard serves its own page, the dashboard and the probes, and ends with a wrong token", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const bot = yield* start("mounted-dashboard", { PORT: String(port) })
      const get = (path: string) =>
        Effect.orElseSucceed(
          Effect.tryPromise(() => fetch(`http://127.0.0.1:${port}${path}`).then((answer) => answer.text())),
          () => ""
        )
      yield* until(
        get("/"),
        (text) => text.includes('href="/status/"'),
        () => bot.description
      )
      assert.include(yield* get("/status/"), "<title>My bot")
      yield* until(
        get("/readyz"),
        (text) => text.includes("ready"),
        () => bot.description
      )
      yield* bot.end("SIGINT")
      const wrong = yield* start("mounted-dashboard", { PORT: String(port), DISCORD_TOKEN: "wrong" })
      yield* wrong.says("Discord refused the bot's token")
    }).pipe(Effect.provide(DiscordSimulator.serve()))
  )

  it.live("run runs an example against a Discord of its own", () =>
    Effect.gen(function* () {
      const running = yield* Process.start(process.execPath, ["examples/dist/run.js", "echo-by-rest"], { cwd: root })
      yield* running.says("echoed to ")
      yield* running.end("SIGINT")
    })
  )
})
