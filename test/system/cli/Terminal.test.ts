import { spawnSync } from "node:child_process"
import { createServer } from "node:net"
import { stripVTControlCharacters } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Act from "../../../src/simulator/Act.ts"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import * as Fault from "../../../src/simulator/Fault.ts"
import * as CommandLine from "../../support/CommandLine.ts"
import * as Process from "../../support/Process.ts"

// `script` of util-linux runs a command in a terminal of its own.
const hasScript = spawnSync("script", ["--version"]).status === 0
if (!hasScript) process.stderr.write("skipped: the tests that need a terminal, for which there is no `script`\n")

const enter = "\u001b[?1049h"
const leave = "\u001b[?1049l"
const showCursor = "\u001b[?25h"

/** `run` in a terminal of so many columns and rows, at which keys can be pressed. */
const inTerminal = (
  args: string,
  env: Process.Environment = {},
  size: readonly [columns: number, rows: number] = [80, 24]
) =>
  Process.start(
    "script",
    [
      "-qefc",
      `stty cols ${size[0]} rows ${size[1]}; exec ${process.execPath} ${CommandLine.entry} run ${args}`,
      "/dev/null"
    ],
    { env: { TERM: "xterm", ...env }, input: true }
  )

const quit = (terminal: Process.Process) => Effect.andThen(terminal.type("q"), terminal.ending)

/** Ctrl-C. */
const interrupt = (terminal: Process.Process) => Effect.andThen(terminal.type("\u0003"), terminal.ending)

describe.skipIf(!hasScript)("run in a terminal", () => {
  it.live("shows how the shards are doing, and leaves the terminal as it was", () =>
    Effect.gen(function* () {
      const terminal = yield* inTerminal("--shards 4")
      yield* terminal.says("4 of 4 shards ready")
      const { code, stdout } = yield* quit(terminal)
      assert.strictEqual(code, 0)
      assert.include(stdout, enter)
      assert.isBelow(stdout.lastIndexOf(enter), stdout.lastIndexOf(leave))
      assert.include(stdout.slice(0, stdout.lastIndexOf(leave)), showCursor)
      const afterwards = stripVTControlCharacters(stdout.slice(stdout.lastIndexOf(leave)))
      assert.match(afterwards, /\d of 4 shards ready/)
    })
  )

  it.live("is without colours where they are not wanted", () =>
    Effect.gen(function* () {
      // oxlint-disable-next-line no-control-regex
      const colours = /\u001b\[[0-9;]*m/
      const plain = yield* inTerminal("", { NO_COLOR: "1" }, [200, 50])
      yield* plain.says("1 of 1 shard ready")
      assert.notMatch((yield* quit(plain)).stdout, colours)
      const coloured = yield* inTerminal("", {}, [200, 50])
      yield* coloured.says(/1 of 1 shard/)
      assert.match((yield* quit(coloured)).stdout, colours)
    })
  )

  it.live("prints lines with --plain, and with --events", () =>
    Effect.gen(function* () {
      for (const flag of ["--plain", "--events MESSAGE_CREATE,GUILD_CREATE,READY"]) {
        const terminal = yield* inTerminal(flag)
        yield* terminal.says("READY")
        const { code, stdout } = yield* interrupt(terminal)
        assert.strictEqual(code, 0)
        assert.notInclude(stdout, enter)
      }
    })
  )

  it.live("says what is wrong after it has left the live view", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.identify(Act.close(4004)))
      const terminal = yield* inTerminal(`--api-url ${simulator.apiUrl}`, {
        DISCORD_TOKEN: Redacted.value(simulator.token)
      })
      const { code, stdout } = yield* terminal.ending
      assert.strictEqual(code, 1)
      const afterwards = stdout.slice(stdout.lastIndexOf(leave))
      assert.include(afterwards, "Discord refused the bot's token")
      assert.notInclude(stdout, Redacted.value(simulator.token))
    }).pipe(Effect.provide(DiscordSimulator.serve()))
  )
})

/** A port that another program has taken. */
const takenPort = Effect.acquireRelease(
  Effect.callback<ReturnType<typeof createServer>>((resume) => {
    const server = createServer()
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => server.close())
).pipe(
  Effect.map((server) => {
    const address = server.address()
    return typeof address === "object" && address !== null ? address.port : 0
  })
)

describe("run --dashboard", () => {
  it.live("serves a dashboard, says where, and answers --healthcheck", () =>
    Effect.gen(function* () {
      const run = yield* CommandLine.start(["run", "--dashboard", "127.0.0.1:0"])
      const [, url = ""] = yield* run.says(/Dashboard: (http:\/\/127\.0\.0\.1:\d+\/)\n/)
      const page = yield* Effect.promise(() => fetch(url).then((answer) => answer.text()))
      assert.include(page, "<title>Discord gateway</title>")
      const check = CommandLine.finish(["run", "--healthcheck", "--dashboard", new URL(url).host])
      const alive = yield* check
      assert.strictEqual(alive.code, 0)
      assert.match(alive.stdout, /^alive( and ready|: \d of 1 shards are ready)\n$/)
      assert.strictEqual((yield* run.end("SIGTERM")).code, 0)
      const gone = yield* check
      assert.strictEqual(gone.code, 1)
      assert.include(gone.stderr, url)
    })
  )

  it.live("says that an address is taken, and that one cannot be read", () =>
    Effect.gen(function* () {
      const port = yield* takenPort
      const taken = yield* CommandLine.finish(["run", "--dashboard", `127.0.0.1:${port}`])
      assert.strictEqual(taken.code, 1)
      assert.include(taken.stderr, `--dashboard 127.0.0.1:${port}: listen EADDRINUSE`)
      const unreadable = yield* CommandLine.finish(["run", "--dashboard", "nonsense"])
      assert.strictEqual(unreadable.code, 1)
      assert.include(unreadable.stderr, '--dashboard: "nonsense" is not an address')
    })
  )

  it.live("says so when others can read it", () =>
    Effect.gen(function* () {
      const run = yield* CommandLine.start(["run", "--dashboard", "0.0.0.0:0"])
      yield* run.says("everybody who reaches it can read it")
    })
  )
})
