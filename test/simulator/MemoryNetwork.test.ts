import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { WebSocketConstructor } from "effect/socket/Socket"
import { DiscordSimulator } from "disruption-gateway/testing"
import { connected, dial, mainUrl, RawClient } from "../support/RawClient.ts"

const second = TestClock.adjust("1 second")

const simulated = Effect.provide(DiscordSimulator.layer)

describe("the network in memory", () => {
  it.effect("takes 10 ms one way, so a connection opens after 20", () =>
    Effect.gen(function* () {
      const client = yield* dial()
      yield* TestClock.adjust("19 millis")
      assert.deepStrictEqual(client.happened, [])
      assert.strictEqual(client.socket.readyState, 0)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(client.happened, ["open", "message"])
      assert.strictEqual(client.socket.readyState, 1)
      client.send(1)
      yield* TestClock.adjust("19 millis")
      assert.deepStrictEqual(client.ops, [10])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(client.ops, [10, 11])
    }).pipe(simulated)
  )

  it.effect("works without any latency", () =>
    Effect.gen(function* () {
      const client = yield* connected()
      assert.deepStrictEqual(client.events, ["READY"])
    }).pipe(Effect.provide(DiscordSimulator.layerWith({ latency: 0 })))
  )

  it.effect("keeps the order of a hundred thousand frames", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected()
      yield* simulator.dispatchAll(Array.from({ length: 100_000 }, (_, n) => ({ t: "MESSAGE_CREATE", d: { n } })))
      yield* second
      assert.deepStrictEqual(
        client.sequences,
        Array.from({ length: 100_001 }, (_, n) => n + 1)
      )
    }).pipe(simulated)
  )

  it.effect("lets frames pile up while the client does not read, and op 7 and close frames wait behind them", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected()
      client.ws.pause()
      assert.isTrue(client.ws.isPaused)
      yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n: 1 } }])
      yield* simulator.reconnect()
      yield* simulator.close(4000)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(client.ops, [10, 0])
      assert.notInclude(client.happened, "close")
      client.ws.resume()
      assert.deepStrictEqual(client.ops, [10, 0])
      yield* second
      assert.deepStrictEqual(client.ops, [10, 0, 0, 7])
      assert.strictEqual(client.happened.at(-1), "close")
    }).pipe(simulated)
  )

  it.effect("stops in the middle of what has piled up when the client pauses again", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected()
      client.socket.addEventListener("message", () => client.ws.pause())
      yield* simulator.dispatchAll([1, 2, 3].map((n) => ({ t: "MESSAGE_CREATE", d: { n } })))
      for (const expected of [2, 3, 4, 4]) {
        yield* second
        assert.strictEqual(client.sequences.length, expected)
        client.ws.resume()
      }
    }).pipe(simulated)
  )

  it.effect("tells of a close to both sides, and delivers nothing after it", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected()
      yield* simulator.close(4000, { reason: "bye" })
      yield* simulator.sendRaw("late")
      client.socket.send("on its way")
      yield* second
      assert.deepStrictEqual(client.closed, { code: 4000, reason: "bye" })
      assert.strictEqual(client.socket.readyState, 3)
      assert.strictEqual(client.frames.length, 2)
      assert.lengthOf((yield* simulator.connections)[0]?.frames ?? [], 1)
    }).pipe(simulated)
  )

  it.effect("ends at once when the client terminates, and the server notices later", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected()
      yield* simulator.dispatch("MESSAGE_CREATE", {})
      client.ws.terminate()
      assert.notInclude(client.happened, "close")
      yield* Effect.yieldNow
      assert.strictEqual(client.closed?.code, 1006)
      assert.isUndefined((yield* simulator.connections)[0]?.end)
      yield* second
      assert.deepInclude((yield* simulator.connections)[0]?.end, { at: 2010, by: "client", how: "drop" })
      assert.deepStrictEqual(client.events, ["READY"])
    }).pipe(simulated)
  )

  it.effect("closes without a wait when nobody moves the clock, as a scope does at the end of a test", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected()
      client.socket.close(1000, "done")
      assert.strictEqual(client.socket.readyState, 2)
      yield* Effect.callback<void>((resume) =>
        client.socket.addEventListener("close", () => resume(Effect.void), { once: true })
      )
      assert.deepStrictEqual(client.closed, { code: 1000, reason: "done" })
      assert.isFalse((yield* simulator.sessions)[0]?.alive)
    }).pipe(simulated)
  )

  it.effect("ends the wait for a mute server's answer when nobody moves the clock any more, and no sooner", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const [still, moving] = [yield* connected(), yield* connected()]
      yield* simulator.mute()
      moving.socket.close(4000)
      // Half a second, in which the clock moves.
      for (let n = 0; n < 20; n++) {
        yield* TestClock.withLive(Effect.sleep("25 millis"))
        yield* TestClock.adjust("1 millis")
      }
      assert.isUndefined(moving.closed)
      still.socket.close(4000)
      yield* Effect.callback<void>((resume) =>
        still.socket.addEventListener("close", () => resume(Effect.void), { once: true })
      )
      assert.strictEqual(still.closed?.code, 1006)
    }).pipe(simulated)
  )

  it.effect("gives bytes for text frames to those who ask for them", () =>
    Effect.gen(function* () {
      const client = yield* connected()
      assert.isTrue(client.frames.every((frame) => frame instanceof Uint8Array))
      assert.deepStrictEqual(client.events, ["READY"])
    }).pipe(Effect.provide(DiscordSimulator.layerWith({ frames: "binary" })))
  )

  it.effect("throws where the package ws throws", () =>
    Effect.gen(function* () {
      const client = yield* dial()
      assert.throws(() => client.socket.send("too early"), /CONNECTING/)
      assert.throws(() => client.socket.close(1006), /1006/)
    }).pipe(simulated)
  )

  it.effect("leaves nothing behind when its scope closes, and closing it takes no time", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(DiscordSimulator.layer, scope)
      const client = new RawClient(Context.get(context, WebSocketConstructor)(mainUrl))
      yield* second
      client.identify()
      yield* Context.get(context, DiscordSimulator).mute()
      client.socket.close(4000)
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(client.happened, ["open", "message"])
    })
  )
})
