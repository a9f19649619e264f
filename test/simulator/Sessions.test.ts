import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { DiscordSimulator } from "disruption-gateway/testing"
import { dial, resumeUrl } from "./RawClient.ts"

const second = TestClock.adjust("1 second")

describe("a session", () => {
  it.effect("starts with HELLO, IDENTIFY and READY", () =>
    Effect.gen(function* () {
      const client = yield* dial()
      yield* second
      assert.deepStrictEqual(client.received, [{ op: 10, d: { heartbeat_interval: 41_250 }, s: null, t: null }])
      client.identify()
      yield* second
      assert.deepStrictEqual(client.events, ["READY"])
      assert.strictEqual(client.event("READY")["resume_gateway_url"], "wss://gateway-sim1.discord.gg")
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.effect("replays what was missed, in order, and then says RESUMED", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* dial()
      yield* second
      client.identify()
      yield* second
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "seen" })
      yield* second
      yield* simulator.drop()
      yield* second
      assert.strictEqual(client.closed?.code, 1006)
      assert.strictEqual(yield* simulator.dispatch("MESSAGE_CREATE", { content: "missed 1" }), 1)
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "missed 2" })
      const again = yield* dial(resumeUrl)
      yield* second
      again.resume(client.sessionId, 2)
      yield* second
      assert.deepStrictEqual(again.events, ["MESSAGE_CREATE", "MESSAGE_CREATE", "RESUMED"])
      assert.deepStrictEqual(again.sequences, [3, 4, 5])
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )
})
