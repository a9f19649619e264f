import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import * as CommandLine from "../../support/CommandLine.ts"
import { hasRedis } from "../../support/LocalServices.ts"
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

  it.live("says what is missing or wrong", () =>
    Effect.gen(function* () {
      const without = yield* CommandLine.finish(["relay"])
      assert.strictEqual(without.code, 1)
      assert.include(without.stderr, "RELAY_BROKER")
      const wrong = yield* CommandLine.finish(["relay", "--broker", "http://user:secret@127.0.0.1"])
      assert.strictEqual(wrong.code, 1)
      assert.include(wrong.stderr, "a URL of Redis")
      assert.notInclude(wrong.stderr, "secret")
    })
  )
})
