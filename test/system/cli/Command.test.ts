import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import { environment, finish, shell, start } from "../../support/CommandLine.ts"
import { until } from "../../support/Patience.ts"
import * as Process from "../../support/Process.ts"

const linesOf = (text: string) => text.split("\n").filter((line) => line !== "")

/** More events than the bot's buffer and a pipe hold. */
const flood = Effect.flatMap(DiscordSimulator, (simulator) =>
  simulator.dispatchAll(
    Array.from({ length: 20_000 }, () => ({ t: "MESSAGE_CREATE", d: { content: "x".repeat(500) } }))
  )
)

/** `run --json` with nobody who reads its standard output, stuck in it. */
const stuck = Effect.gen(function* () {
  const run = yield* start(["run", "--json"], { env: yield* environment, unread: true })
  yield* run.says("Ready with")
  yield* flood
  yield* run.says("reading pauses")
  return run
})

describe("disruption-gateway run", () => {
  it.live("shows a newcomer without a token how a lost connection is resumed", () =>
    Effect.gen(function* () {
      const run = yield* start(["run"])
      yield* run.says("Resumed session")
      const { code, stderr, stdout } = yield* run.end("SIGINT")
      const lines = linesOf(stdout)
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
      expect(lines[0]).toContain("DISCORD_TOKEN is not set: this is the built-in simulated Discord")
      expect(stdout).toMatch(/^\d\d:\d\d:\d\d 0 +1 {2}READY/m)
      const disconnected = lines.findIndex((line) => line.includes("▲▲ shard 0: Disconnected"))
      const resumed = lines.findIndex((line) => line.includes("── shard 0: Resumed session"))
      expect(disconnected).toBeGreaterThan(0)
      expect(resumed).toBeGreaterThan(disconnected)
    })
  )

  it.live("ends by itself after --for", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* finish(["run", "--for", "1500ms"])
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
      expect(stdout).toContain("DISCORD_TOKEN is not set")
    })
  )

  it.live("prints nothing but a JSON object a line with --json, and the connection's news on stderr", () =>
    Effect.gen(function* () {
      const run = yield* start(["run", "--json"])
      yield* run.until(({ stdout }) => stdout.includes("GUILD_CREATE"), "print a guild")
      const { code, stderr, stdout } = yield* run.end("SIGINT")
      const payloads = linesOf(stdout).map((line): Record<string, unknown> => JSON.parse(line))
      expect(code).toBe(0)
      expect(stdout.endsWith("}\n")).toBe(true)
      expect(new Set(payloads.map((payload) => Object.keys(payload).join()))).toEqual(new Set(["shard,op,t,s,d"]))
      expect(payloads[0]).toMatchObject({ shard: 0, op: 10, t: null, s: null })
      expect(payloads[1]).toMatchObject({ shard: 0, op: 0, t: "READY", s: 1 })
      expect(stderr).toContain("DISCORD_TOKEN is not set")
      expect(stderr).toMatch(/INFO {2}shard 0: Ready with the new session/)
    })
  )

  it.live("leaves out a payload that is nested too deeply to be written, says so, and prints the rest", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const run = yield* start(["run", "--json"], { env: yield* environment })
      yield* run.says("Ready with")
      const nested = `${"[".repeat(100_000)}${"]".repeat(100_000)}`
      yield* simulator.sendRaw(`{"op":0,"t":"MESSAGE_UPDATE","s":2,"d":${nested}}`)
      yield* simulator.sendRaw('{"op":0,"t":"MESSAGE_CREATE","s":3,"d":{"content":"behind it"}}')
      yield* run.until(({ stdout }) => stdout.includes("behind it"), "print what comes behind it")
      yield* run.says("shard 0: Left out MESSAGE_UPDATE (sequence 2): it is nested too deeply to be written as JSON")
      const { code, stderr, stdout } = yield* run.end("SIGINT")
      expect({ code, bug: stderr.includes("A bug") }).toEqual({ code: 0, bug: false })
      expect(linesOf(stdout).map((line): unknown => JSON.parse(line).s)).toEqual([null, 1, 3])
    }).pipe(Effect.provide(DiscordSimulator.serve()))
  )

  it.live("prints only the events asked for", () =>
    Effect.gen(function* () {
      const run = yield* start(["run", "--json", "--events", "ready,GUILD_CREATE"])
      yield* run.until(({ stdout }) => stdout.includes("GUILD_CREATE"), "print a guild")
      const { stdout } = yield* run.end("SIGINT")
      const names = linesOf(stdout).map((line): unknown => JSON.parse(line).t)
      expect(new Set(names)).toEqual(new Set(["READY", "GUILD_CREATE"]))
    })
  )

  it.live("ends quietly when the reader goes away", () =>
    Effect.gen(function* () {
      for (const flags of ["", "--json"]) {
        const { stderr, stdout } = yield* shell(`$RUN ${flags} --log-level none | head -2; echo \${PIPESTATUS[*]}`)
        expect(linesOf(stdout)).toHaveLength(3)
        expect(linesOf(stdout)[2]).toBe("0 0")
        expect(stderr).not.toMatch(/EPIPE|Error|at /)
      }
    })
  )

  it.live("closes the connection with 1000 and ends with 0 on SIGINT, SIGTERM and SIGHUP", () =>
    Effect.forEach(["SIGINT", "SIGTERM", "SIGHUP"] as const, (signal) =>
      Effect.gen(function* () {
        const simulator = yield* DiscordSimulator
        const run = yield* start(["run", "--log-level", "all"], { env: yield* environment })
        yield* run.says("Ready with")
        const { code, stderr, stdout } = yield* run.end(signal)
        expect(code).toBe(0)
        expect(stdout + stderr).not.toContain("simulated-token")
        // The process may be gone before its close frame is read.
        const [connection] = yield* until(simulator.connections, ([first]) => first?.end !== undefined)
        expect(connection?.end).toMatchObject({ by: "client", how: "close", code: 1000 })
      }).pipe(Effect.provide(DiscordSimulator.serve()))
    )
  )

  it.live("ends soon on SIGINT though nobody reads its output", () =>
    Effect.gen(function* () {
      const run = yield* stuck
      const [trivial] = yield* Effect.timed(Process.finish(process.execPath, ["--eval", "0"]))
      const [took, { code }] = yield* Effect.timed(run.end("SIGINT"))
      expect(code).toBe(0)
      // It gives a reader that takes nothing a second, Discord another one, and a trivial process takes a tenth of one.
      expect(Duration.toMillis(took)).toBeLessThan(60 * Duration.toMillis(trivial))
    }).pipe(Effect.provide(DiscordSimulator.serve()))
  )

  it.live("hands a slow reader whole lines, also when it is ended by a signal", () =>
    Effect.gen(function* () {
      const run = yield* stuck
      yield* run.signal("SIGINT")
      run.read()
      const { code, stdout } = yield* run.ending
      expect(code).toBe(0)
      expect(stdout.length).toBeGreaterThan(65_536)
      expect(stdout.endsWith("}\n")).toBe(true)
      const sequences = linesOf(stdout).map((line): unknown => JSON.parse(line).s)
      const dispatched = sequences.filter((s) => s !== null)
      expect(dispatched).toEqual(dispatched.map((_, index) => index + 1))
    }).pipe(Effect.provide(DiscordSimulator.serve()))
  )

  it.live("says once what to do about a wrong token, without the token", () =>
    Effect.gen(function* () {
      const { apiUrl, gatewayUrl } = yield* DiscordSimulator
      const env = { DISCORD_TOKEN: "a-wrong-token" }
      const places = [
        ["--api-url", apiUrl],
        ["--gateway-url", gatewayUrl],
        ["--gateway-url", gatewayUrl, "--json"]
      ]
      yield* Effect.forEach(places, (flags) =>
        Effect.gen(function* () {
          const { code, stderr, stdout } = yield* finish(["run", "--log-level", "warn", ...flags], env)
          expect(code).toBe(1)
          expect(linesOf(stderr)).toHaveLength(1)
          expect(stderr).toContain("Discord refused the bot's token")
          expect(stdout + stderr).not.toContain("a-wrong-token")
        })
      )
    }).pipe(Effect.provide(DiscordSimulator.serve()))
  )

  it.live("lets nothing that users wrote control the terminal", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const run = yield* start(["run"], { env: yield* environment })
      yield* run.says("Ready with")
      const content = "\u001b[2J\u001b]0;owned\u0007\u009b31mred\r\nnext \u202elaw"
      yield* simulator.dispatch("MESSAGE_CREATE", { author: { username: "\u001b[Hmallory" }, content })
      yield* run.says(/mallory.*\n/)
      const { stdout } = yield* run.end("SIGINT")
      expect(stdout).toMatch(/ {2}mallory: red next law\n/)
      // oxlint-disable-next-line no-control-regex
      expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/)
    }).pipe(Effect.provide(DiscordSimulator.serve()))
  )

  it.live("names what is wrong with its flags and environment, and prints nothing else", () =>
    Effect.forEach(
      [
        [["--intents", "GUILD_MESAGES"], /^--intents: "GUILD_MESAGES" is not an intent/],
        [["--shards", "many"], /^--shards: "many"/],
        [["--shards", "4/4"], /^--shards: 4 is not a shard of 4/],
        [["--events", ","], /^--events: it takes at least one event/],
        [["--events", "MESAGE_CREATE"], /^--events: .* Did you mean MESSAGE_CREATE\?/],
        [["--for", "10"], /^--for: "10" is not a duration/],
        [["--token", "abc"], /--token/],
        [["--gateway-url", "ws://127.0.0.1:1"], /^DISCORD_TOKEN: the bot's token is missing/]
      ] as const,
      ([flags, message]) =>
        Effect.gen(function* () {
          const { code, stderr, stdout } = yield* finish(["run", "--json", ...flags])
          expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
          expect(stderr).toMatch(message)
          expect(stderr).not.toMatch(/^ +at /m)
        })
    )
  )
})

describe("disruption-gateway simulate", () => {
  it.live("serves a Discord that run can be pointed at by its output, and tells what clients do", () =>
    Effect.gen(function* () {
      const simulate = yield* start(["simulate", "--incidents", "none", "--rate", "20"])
      const [, DISCORD_TOKEN = "", DISCORD_API_URL = ""] = yield* simulate.says(
        /export DISCORD_TOKEN=(\S+)\nexport DISCORD_API_URL=(\S+)\n/
      )
      const run = yield* start(["run"], { env: { DISCORD_TOKEN, DISCORD_API_URL } })
      yield* run.says(/MESSAGE_CREATE|TYPING_START/)
      const bot = yield* run.end("SIGINT")
      expect(bot).toMatchObject({ code: 0, stderr: "" })
      expect(bot.stdout).not.toContain("DISCORD_TOKEN is not set")
      yield* simulate.says("closed by the client with 1000")
      const { code, stderr, stdout } = yield* simulate.end("SIGINT")
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
      expect(stdout).toMatch(/connection 1: connected to ws:\/\/127\.0\.0\.1/)
      expect(stdout).toMatch(/connection 1: identified as shard 0/)
    })
  )

  it.live("says so when the port is taken", () =>
    Effect.gen(function* () {
      const { apiUrl, token } = yield* DiscordSimulator
      const { port } = new URL(apiUrl)
      const { code, stderr, stdout } = yield* finish(["simulate", "--port", port])
      expect({ code, stdout, lines: linesOf(stderr).length }).toEqual({ code: 1, stdout: "", lines: 1 })
      expect(stderr).toContain(`Port ${port}`)
      expect(stderr).not.toContain(Redacted.value(token))
    }).pipe(Effect.provide(DiscordSimulator.serve()))
  )
})

describe("disruption-gateway doctor", () => {
  it.live("prints a line for each check, and ends with 1 where the bot would not run", () =>
    Effect.gen(function* () {
      const env = yield* environment
      const well = yield* finish(["doctor", "--intents", "GUILDS"], env)
      expect({ code: well.code, stderr: well.stderr }).toEqual({ code: 0, stderr: "" })
      expect(linesOf(well.stdout).map((line) => line.split(":")[0])).toEqual(
        ["token", "intents", "shards", "budget", "clock"].map((check) => `✓ ${check}`)
      )
      const ill = yield* finish(["doctor", "--intents", "GUILDS,MESSAGE_CONTENT"], env)
      expect(ill.code).toBe(1)
      expect(ill.stdout).toContain("✗ intents: MESSAGE_CONTENT is asked for, but not enabled")
      expect(ill.stdout + ill.stderr).not.toContain(env.DISCORD_TOKEN)
      const tokenless = yield* finish(["doctor"], { DISCORD_TOKEN: "" })
      expect(tokenless.code).toBe(1)
      expect(tokenless.stdout).toContain("✗ configuration: DISCORD_TOKEN: the bot's token is missing")
    }).pipe(Effect.provide(DiscordSimulator.serve({ disallowedIntents: ["MESSAGE_CONTENT"] })))
  )
})
