import { spawnSync } from "node:child_process"
import { stripVTControlCharacters } from "node:util"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { Act } from "../../../src/simulator/Act.ts"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import { Fault } from "../../../src/simulator/Fault.ts"
import * as CommandLine from "../../support/CommandLine.ts"

// `script` of util-linux runs a command in a terminal of its own.
const hasScript = spawnSync("script", ["--version"]).status === 0
if (!hasScript) process.stderr.write("skipped: the tests that need a terminal, for which there is no `script`\n")

const enter = "\u001b[?1049h"
const leave = "\u001b[?1049l"
const showCursor = "\u001b[?25h"

/** `run` in a terminal of so many columns and rows. */
const inTerminal = (
  args: string,
  env: CommandLine.Environment = {},
  size: readonly [columns: number, rows: number] = [80, 24]
) =>
  CommandLine.shell(`script -qefc "stty cols ${size[0]} rows ${size[1]}; $RUN ${args}" /dev/null < /dev/null`, {
    TERM: "xterm",
    ...env
  })

describe.skipIf(!hasScript)("run in a terminal", () => {
  beforeAll(CommandLine.build, 60_000)

  it.live("shows how the shards are doing, and leaves the terminal as it was", () =>
    Effect.gen(function* () {
      const { code, stdout } = yield* inTerminal("--for 3s --shards 4")
      assert.strictEqual(code, 0)
      assert.include(stdout, enter)
      assert.include(stdout, "4 of 4 shards ready")
      assert.isBelow(stdout.lastIndexOf(enter), stdout.lastIndexOf(leave))
      assert.include(stdout.slice(0, stdout.lastIndexOf(leave)), showCursor)
      const afterwards = stripVTControlCharacters(stdout.slice(stdout.lastIndexOf(leave)))
      assert.include(afterwards, "4 of 4 shards ready")
    })
  )

  it.live("is without colours where they are not wanted", () =>
    Effect.gen(function* () {
      // oxlint-disable-next-line no-control-regex
      const colours = /\u001b\[[0-9;]*m/
      const plain = yield* inTerminal("--for 2s", { NO_COLOR: "1" }, [200, 50])
      assert.include(plain.stdout, "1 of 1 shard ready")
      assert.notMatch(plain.stdout, colours)
      const coloured = yield* inTerminal("--for 2s", {}, [200, 50])
      assert.match(coloured.stdout, colours)
    })
  )

  it.live("prints lines with --plain, and with --events", () =>
    Effect.gen(function* () {
      for (const flag of ["--plain", "--events MESSAGE_CREATE,GUILD_CREATE,READY"]) {
        const { code, stdout } = yield* inTerminal(`--for 3s ${flag}`)
        assert.strictEqual(code, 0)
        assert.notInclude(stdout, enter)
        assert.include(stdout, "READY")
      }
    })
  )

  it.live("says what is wrong after it has left the live view", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.identify(Act.close(4004)))
      const { code, stdout } = yield* inTerminal(`--api-url ${simulator.apiUrl}`, {
        DISCORD_TOKEN: Redacted.value(simulator.token)
      })
      assert.strictEqual(code, 1)
      const afterwards = stdout.slice(stdout.lastIndexOf(leave))
      assert.include(afterwards, "Discord refused the bot's token")
      assert.notInclude(stdout, Redacted.value(simulator.token))
    }).pipe(Effect.provide(DiscordSimulator.serve()))
  )
})

describe("run --dashboard", () => {
  beforeAll(CommandLine.build, 60_000)

  it.live("serves a status page and says where", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const run = yield* CommandLine.start(["run", "--dashboard", "127.0.0.1:18099"])
        yield* run.says("Status page: http://127.0.0.1:18099/")
        const page = yield* Effect.promise(() => fetch("http://127.0.0.1:18099/").then((answer) => answer.text()))
        assert.include(page, "<title>Discord gateway</title>")
        yield* run.signal("SIGTERM")
        assert.strictEqual((yield* run.ending).code, 0)
      })
    )
  )

  it.live("says that an address is taken, and that one cannot be read", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const first = yield* CommandLine.start(["run", "--dashboard", "18098"])
        yield* first.says("Status page:")
        const second = yield* CommandLine.finish(["run", "--dashboard", "127.0.0.1:18098"])
        assert.strictEqual(second.code, 1)
        assert.include(second.stderr, "--dashboard 127.0.0.1:18098: listen EADDRINUSE")
        const third = yield* CommandLine.finish(["run", "--dashboard", "nonsense"])
        assert.strictEqual(third.code, 1)
        assert.include(third.stderr, '--dashboard: "nonsense" is not an address')
      })
    )
  )

  it.live("says so when others can read it", () =>
    Effect.gen(function* () {
      const { stdout } = yield* CommandLine.finish(["run", "--dashboard", "0.0.0.0:18097", "--for", "1s"])
      assert.include(stdout, "everybody who reaches it can read it")
    })
  )
})
