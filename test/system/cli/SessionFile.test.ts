import { readFileSync, statSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import { environment, finish, start } from "../../support/CommandLine.ts"
import { until, untilTrue } from "../../support/Patience.ts"
import { numbersIn, temporaryFile } from "../../support/SessionFileRun.ts"

const served = Effect.provide(DiscordSimulator.serve({ history: 1_000_000 }))

describe("run --session-file", () => {
  it.live("misses nothing over twenty SIGKILLs while Discord dispatches without pause, and identifies once", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const env = yield* environment
      const file = yield* temporaryFile
      let dispatched = 0
      const dispatching = yield* Effect.forkScoped(
        Effect.forever(
          Effect.delay(
            Effect.suspend(() =>
              simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n: dispatched++, text: "x".repeat(100) } }])
            ),
            "2 millis"
          )
        )
      )
      const args = ["run", "--json", "--session-file", file]
      const seen: Array<number> = []
      for (let kill = 0; kill < 20; kill++) {
        const { dials, identifies, resumes } = yield* simulator.counts
        const run = yield* start(args, { env })
        const enough = yield* Random.nextIntBetween(1, 400)
        // In every fourth run right after it has dialled or resumed, otherwise when it has printed a number of messages.
        // The first session is to be in the file before it can be kept.
        if (kill === 0) {
          yield* run.until(({ stdout }) => stdout.includes("MESSAGE_CREATE"), "print a message")
          yield* untilTrue(
            () => readFileSync(file, "utf8").includes("resumeUrl"),
            () => run.description
          )
        } else if (kill % 4 === 1)
          yield* until(
            simulator.counts,
            (now) => now.dials > dials,
            () => run.description
          )
        else if (kill % 4 === 2)
          yield* until(
            simulator.counts,
            (now) => now.resumes > resumes,
            () => run.description
          )
        else yield* run.until(({ stdout }) => numbersIn(stdout).length >= enough, `print ${enough} messages`)
        seen.push(...numbersIn((yield* run.end("SIGKILL")).stdout))
        assert.strictEqual((yield* simulator.counts).identifies, Math.max(1, identifies))
      }
      yield* Fiber.interrupt(dispatching)
      const last = dispatched - 1
      const run = yield* start(args, { env })
      yield* run.until(({ stdout }) => numbersIn(stdout).includes(last), `print the last message, ${last}`)
      const { code, stdout } = yield* run.end("SIGINT")
      assert.strictEqual(code, 0)
      seen.push(...numbersIn(stdout))

      const [session] = yield* simulator.sessions
      const toSession = session?.dispatched.flatMap(({ d, t }) =>
        t === "MESSAGE_CREATE" ? [(d as { n: number }).n] : []
      )
      const unique = new Set(seen)
      assert.deepStrictEqual(
        toSession?.filter((n) => !unique.has(n)),
        [],
        "lost"
      )
      const { identifies, resumes } = yield* simulator.counts
      assert.strictEqual(identifies, 1)
      assert.isAtLeast(resumes, 15)
    }).pipe(served)
  )

  it.live("gives a slow reader again what it had not read when the process was ended", () =>
    Effect.gen(function* () {
      const count = 20_000
      const simulator = yield* DiscordSimulator
      const env = yield* environment
      const args = ["run", "--json", "--session-file", yield* temporaryFile]
      const slow = yield* start(args, { env, unread: true })
      yield* slow.says("Ready with")
      yield* simulator.dispatchAll(
        Array.from({ length: count }, (_, n) => ({ t: "MESSAGE_CREATE", d: { n, text: "x".repeat(200) } }))
      )
      yield* slow.says("reading pauses")
      yield* slow.signal("SIGINT")
      slow.read()
      const seen = new Set(numbersIn((yield* slow.ending).stdout))
      assert.isBelow(seen.size, count, "the reader was slow")

      const again = yield* start(args, { env })
      yield* again.until(({ stdout }) => stdout.includes(`"n":${count - 1},`), "print the last message")
      for (const n of numbersIn((yield* again.end("SIGINT")).stdout)) seen.add(n)
      assert.strictEqual(seen.size, count)
      assert.strictEqual((yield* simulator.counts).identifies, 1)
    }).pipe(served)
  )

  it.live("keeps a file that only its owner can read, without the token", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const env = yield* environment
      const run = yield* start(["run", "--json", "--session-file", file], { env })
      yield* run.says("READY")
      yield* run.end("SIGINT")
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      const content = readFileSync(file, "utf8")
      assert.include(content, "disruption-gateway/sessions")
      assert.notInclude(content, env.DISCORD_TOKEN)
    }).pipe(served)
  )

  it.live("that cannot be written is said at start", () =>
    Effect.gen(function* () {
      const env = yield* environment
      const { code, stderr } = yield* finish(["run", "--json", "--session-file", "/nowhere/at/all.json"], env)
      assert.strictEqual(code, 1)
      assert.include(stderr, "/nowhere/at/all.json")
      assert.notInclude(stderr, "    at ")
      assert.strictEqual((yield* (yield* DiscordSimulator).counts).dials, 0)
    }).pipe(served)
  )
})
