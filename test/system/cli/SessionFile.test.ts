import { mkdtempSync, readFileSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import { beforeAll } from "vitest"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import { build, finish, shell, start } from "../../support/CommandLine.ts"

beforeAll(build, 60_000)

const temporaryFile = Effect.sync(() => join(mkdtempSync(join(tmpdir(), "sessions-")), "sessions.json"))

const environment = Effect.map(DiscordSimulator, ({ apiUrl, token }) => ({
  DISCORD_TOKEN: Redacted.value(token),
  DISCORD_API_URL: apiUrl
}))

/** The numbers of the messages in lines of JSON; a line that was cut off does not count. */
const numbersIn = (stdout: string) =>
  stdout
    .split("\n")
    .slice(0, -1)
    .flatMap((line) => {
      const { d, t }: { d: { n: number }; t: string } = JSON.parse(line)
      return t === "MESSAGE_CREATE" ? [d.n] : []
    })

describe("run --session-file", () => {
  it.live(
    "misses nothing over twenty SIGKILLs while Discord dispatches without pause, and identifies once",
    () =>
      Effect.gen(function* () {
        const simulator = yield* DiscordSimulator
        const env = yield* environment
        const file = yield* temporaryFile
        let dispatched = 0
        yield* Effect.forkScoped(
          Effect.forever(
            Effect.delay(
              Effect.suspend(() => simulator.dispatch("MESSAGE_CREATE", { n: dispatched++, text: "x".repeat(100) })),
              "2 millis"
            )
          )
        )
        const args = ["run", "--json", "--session-file", file]
        const seen: Array<number> = []
        for (let kill = 0; kill < 20; kill++) {
          const run = yield* start(args, env)
          // Not before the first session is there to be kept; after that at any moment.
          if (kill === 0) yield* run.says("MESSAGE_CREATE")
          yield* Effect.sleep(yield* Random.nextBetween(50, 900))
          yield* run.signal("SIGKILL")
          seen.push(...numbersIn((yield* run.ending).stdout))
        }
        const { code, stdout } = yield* finish([...args, "--for", "2s"], env)
        assert.strictEqual(code, 0)
        seen.push(...numbersIn(stdout))

        const [session] = yield* simulator.sessions
        const toSession = session?.dispatched.flatMap(({ d, t }) =>
          t === "MESSAGE_CREATE" ? [(d as { n: number }).n] : []
        )
        const unique = new Set(seen)
        const last = Math.max(...seen)
        assert.deepStrictEqual(
          toSession?.filter((n) => n <= last && !unique.has(n)),
          [],
          "lost"
        )
        assert.isAbove(unique.size, 1000)
        const { identifies, resumes } = yield* simulator.counts
        assert.strictEqual(identifies, 1)
        assert.isAtLeast(resumes, 5)
      }).pipe(Effect.provide(DiscordSimulator.serve({ history: 1_000_000 }))),
    60_000
  )

  it.live(
    "gives a slow reader again what it had not read when the process was ended",
    () =>
      Effect.gen(function* () {
        const simulator = yield* DiscordSimulator
        const env = yield* environment
        const file = yield* temporaryFile
        const args = `--json --session-file ${file}`
        yield* Effect.forkScoped(
          Effect.gen(function* () {
            while ((yield* simulator.counts).identifies === 0) yield* Effect.sleep("20 millis")
            yield* simulator.dispatchAll(
              Array.from({ length: 5000 }, (_, n) => ({ t: "MESSAGE_CREATE", d: { n, text: "x".repeat(200) } }))
            )
          })
        )
        const first = yield* shell(
          `$RUN ${args} > >(sleep 3; cat) & PID=$!; sleep 2; kill -INT $PID; wait $PID; sleep 2`,
          env
        )
        const second = yield* shell(`$RUN ${args} --for 2s`, env)
        const seen = new Set([...numbersIn(first.stdout), ...numbersIn(second.stdout)])
        assert.isBelow(numbersIn(first.stdout).length, 5000, "the reader was slow")
        assert.strictEqual(seen.size, 5000)
        assert.strictEqual((yield* simulator.counts).identifies, 1)
      }).pipe(Effect.provide(DiscordSimulator.serve({ history: 1_000_000 }))),
    60_000
  )

  it.live("keeps a file that only its owner can read, without the token", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const env = yield* environment
      yield* finish(["run", "--json", "--session-file", file, "--for", "1s"], env)
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      const content = readFileSync(file, "utf8")
      assert.include(content, "disruption-gateway/sessions")
      assert.notInclude(content, env.DISCORD_TOKEN)
    }).pipe(Effect.provide(DiscordSimulator.serve()))
  )

  it.live("that cannot be written is said at start", () =>
    Effect.gen(function* () {
      const env = yield* environment
      const { code, stderr } = yield* finish(["run", "--json", "--session-file", "/nowhere/at/all.json"], env)
      assert.strictEqual(code, 1)
      assert.include(stderr, "/nowhere/at/all.json")
      assert.notInclude(stderr, "    at ")
      assert.strictEqual((yield* (yield* DiscordSimulator).counts).dials, 0)
    }).pipe(Effect.provide(DiscordSimulator.serve()))
  )
})
