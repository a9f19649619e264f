import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import { environment, start } from "../../support/CommandLine.ts"
import { untilTrue } from "../../support/Patience.ts"
import { numbersIn, temporaryFile } from "../../support/SessionFileRun.ts"

const load = Effect.gen(function* () {
  const simulator = yield* DiscordSimulator
  let n = 0
  const dispatching = yield* Effect.forkScoped(
    Effect.forever(
      Effect.delay(
        Effect.suspend(() => simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n: n++ } }])),
        "5 millis"
      )
    )
  )
  return Effect.map(Fiber.interrupt(dispatching), () => n)
})

const served = Effect.provide(DiscordSimulator.serve({ history: 1_000_000 }))

describe("run --session-file twice on one file", () => {
  it.live("hands over ten times to a process that was started first: no event twice, none lost, no IDENTIFY", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const env = yield* environment
      const file = yield* temporaryFile
      const args = ["run", "--json", "--session-file", file]
      let current = yield* start(args, { env })
      yield* current.says("READY")
      yield* untilTrue(
        () => readFileSync(file, "utf8").includes("resumeUrl"),
        () => current.description
      )
      const ended = yield* load
      const handled: Array<number> = []
      const times: Array<number> = []
      for (let deploy = 0; deploy < 10; deploy++) {
        const next = yield* start(args, { env })
        yield* next.says(`process ${current.pid} on`)
        yield* current.until(({ stdout }) => numbersIn(stdout).length > 20, "print messages beside the one that waits")
        assert.deepStrictEqual(numbersIn(next.stdout), [])
        const [took] = yield* Effect.timed(
          Effect.andThen(
            current.signal("SIGTERM"),
            next.until(({ stdout }) => numbersIn(stdout).length > 0, "print a message")
          )
        )
        times.push(Math.round(Duration.toMillis(took)))
        handled.push(...numbersIn((yield* current.ending).stdout))
        current = next
      }
      const dispatched = yield* ended
      yield* current.until(({ stdout }) => numbersIn(stdout).includes(dispatched - 1), "print the last message")
      handled.push(...numbersIn((yield* current.end("SIGTERM")).stdout))
      assert.deepStrictEqual(
        handled,
        Array.from({ length: dispatched }, (_, n) => n)
      )
      assert.strictEqual((yield* simulator.counts).identifies, 1)
      process.stdout.write(`hand-over, file: ${times.join(", ")} ms\n`)
    }).pipe(served)
  )

  it.live("is taken over by the second one, and nothing is lost, when the first is killed", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const env = yield* environment
      const file = yield* temporaryFile
      const args = ["run", "--json", "--session-file", file]
      const first = yield* start(args, { env })
      yield* first.says("READY")
      yield* untilTrue(
        () => readFileSync(file, "utf8").includes("resumeUrl"),
        () => first.description
      )
      const second = yield* start(args, { env })
      yield* second.says(`process ${first.pid} on`)
      const ended = yield* load
      yield* first.until(({ stdout }) => numbersIn(stdout).length > 50, "print messages")
      const before = numbersIn((yield* first.end("SIGKILL")).stdout)
      yield* second.until(({ stdout }) => numbersIn(stdout).length > 50, "print messages")
      const dispatched = yield* ended
      yield* second.until(({ stdout }) => numbersIn(stdout).includes(dispatched - 1), "print the last message")
      const seen = new Set([...before, ...numbersIn((yield* second.end("SIGTERM")).stdout)])
      assert.strictEqual(seen.size, dispatched)
      assert.strictEqual((yield* simulator.counts).identifies, 1)
    }).pipe(served)
  )
})
