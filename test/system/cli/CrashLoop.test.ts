import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { applicationId, sampleToken } from "../../../src/simulator/Bot.ts"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import type { ServeOptions } from "../../../src/simulator/SimulatorOptions.ts"
import { start } from "../../support/CommandLine.ts"
import { untilTrue } from "../../support/Patience.ts"

/** A Discord that is not on this computer, as far as a bot can tell: times of IDENTIFYs are kept for others only. */
const served = (options: ServeOptions = {}) =>
  Effect.provide(DiscordSimulator.serve({ host: "0.0.0.0", token: sampleToken, ...options }))

/** A user's home, without anything in it. */
const home = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "disruption-gateway-crashes-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** What a file has, which may not be there. */
const contentOf = (path: string): string => (existsSync(path) ? readFileSync(path, "utf8") : "")

/** A supervisor's environment for the bot. */
const environment = Effect.gen(function* () {
  const { apiUrl } = yield* DiscordSimulator
  const folder = yield* home
  const env = {
    HOME: folder,
    XDG_STATE_HOME: join(folder, "state"),
    DISCORD_TOKEN: sampleToken,
    DISCORD_API_URL: apiUrl
  }
  return { env, folder, times: join(folder, "state/disruption-gateway", `identifies-${applicationId}.json`) }
})

/** Starts the bot, which is killed once it is connected, and what is to outlive it is in the file. Gives what it printed. */
const crash = Effect.fnUntraced(function* (
  env: Record<string, string>,
  isKept: () => boolean,
  args: ReadonlyArray<string> = []
) {
  const run = yield* start(["run", "--plain", ...args], { env })
  yield* run.says(/Ready with|Resumed session/)
  yield* untilTrue(isKept, () => run.description)
  const { stderr, stdout } = yield* run.end("SIGKILL")
  return stdout + stderr
})

/** The same for a bot without a session file, which keeps when it identified. */
const crashWithoutSession = Effect.fnUntraced(function* ({ env, times }: Effect.Success<typeof environment>) {
  const before = contentOf(times)
  return yield* crash(env, () => contentOf(times) !== before)
})

/** Times between the IDENTIFYs that the simulator has heard, in milliseconds. */
const gaps = Effect.gen(function* () {
  const { connections } = yield* DiscordSimulator
  const times = (yield* connections).flatMap(({ frames }) => frames.flatMap(({ at, op }) => (op === 2 ? [at] : [])))
  return times.slice(1).map((time, index) => time - (times[index] ?? 0))
})

describe.concurrent("a bot that dies at start, and is started again at once", () => {
  it.live("keeps Discord's pace over its processes, is slowed from the eleventh start on, and says so", () =>
    Effect.gen(function* () {
      const { counts } = yield* DiscordSimulator
      const bot = yield* environment
      const output: Array<string> = []
      for (let starts = 0; starts < 11; starts++) output.push(yield* crashWithoutSession(bot))
      assert.deepStrictEqual(
        output.map((text) => /started \d+ times in a row/.exec(text)?.[0]),
        [...Array.from({ length: 10 }, () => undefined), "started 10 times in a row"]
      )
      const { identifies, identifyViolations, overruns } = yield* counts
      assert.deepStrictEqual(
        { identifies, identifyViolations, overruns },
        { identifies: 11, identifyViolations: 0, overruns: 0 }
      )
      const between = yield* gaps
      assert.isAtLeast(Math.min(...between), 5000)
      assert.isAtLeast(between.at(-1) ?? 0, 10_000)

      // The next one has to wait for longer still, and has a store of sessions named to it.
      const last = yield* start(["run", "--plain"], { env: bot.env })
      yield* last.says(/started 11 times in a row.*waiting (1\d|20) s.*store of sessions/)
      assert.strictEqual((yield* counts).identifies, 11)
    }).pipe(Effect.scoped, served())
  )

  it.live("identifies once with a session file, and resumes ever after", () =>
    Effect.gen(function* () {
      const { counts } = yield* DiscordSimulator
      const { env, folder } = yield* environment
      const file = join(folder, "session.json")
      const output: Array<string> = []
      for (let starts = 0; starts < 12; starts++) {
        output.push(yield* crash(env, () => contentOf(file).includes("resumeUrl"), ["--session-file", file]))
      }
      const { identifies, identifyViolations, resumes } = yield* counts
      assert.deepStrictEqual(
        { identifies, identifyViolations, resumes },
        { identifies: 1, identifyViolations: 0, resumes: 11 }
      )
      assert.notMatch(output.join("\n"), /times in a row/)
    }).pipe(Effect.scoped, served())
  )

  it.live("leaves the reserve of the day's IDENTIFYs untouched, and waits for the next day", () =>
    Effect.gen(function* () {
      const { counts } = yield* DiscordSimulator
      const bot = yield* environment
      yield* crashWithoutSession(bot)
      yield* crashWithoutSession(bot)
      const third = yield* start(["run", "--plain"], { env: bot.env })
      yield* third.says(/Waiting until 20/)
      const { identifies, overruns } = yield* counts
      assert.deepStrictEqual({ identifies, overruns }, { identifies: 2, overruns: 0 })
    }).pipe(Effect.scoped, served({ sessionStartLimit: { total: 1000, remaining: 12 } }))
  )
})
