import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { Act, DiscordSimulator, Fault } from "disruption-gateway/testing"
import { Intents } from "../../src/schema/Intents.ts"
import { connected, dial, resumeUrl } from "../support/RawClient.ts"

const second = TestClock.adjust("1 second")

const simulated = Effect.provide(DiscordSimulator.layer)

describe("a dial", () => {
  it.effect("is refused as often as was said, and then answered", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.dial("refuse", { times: 2 }))
      const seen: Array<ReadonlyArray<string>> = []
      for (const _ of [1, 2, 3]) {
        const client = yield* dial()
        yield* second
        seen.push(client.happened)
      }
      assert.deepStrictEqual(seen, [
        ["error", "close"],
        ["error", "close"],
        ["open", "message"]
      ])
      assert.deepInclude(yield* simulator.counts, { dials: 3, connections: 1 })
      assert.deepStrictEqual(
        (yield* simulator.dials).map(({ outcome }) => outcome),
        ["refused", "refused", "accepted"]
      )
    }).pipe(simulated)
  )

  it.effect("is refused by the resume host only, until the fault is lifted", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const fault = Fault.dial({ status: 503 }, { host: "resume" })
      yield* simulator.faults.inject(fault)
      const main = yield* dial()
      const resume = yield* dial(resumeUrl)
      yield* second
      assert.deepStrictEqual(main.ops, [10])
      assert.deepStrictEqual(resume.happened, ["error", "close"])
      assert.deepStrictEqual(yield* simulator.faults.standing, [fault])
      yield* simulator.faults.lift(fault)
      const again = yield* dial(resumeUrl)
      yield* second
      assert.deepStrictEqual(again.ops, [10])
    }).pipe(simulated)
  )

  it.effect("is never answered, and can be given up", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.dial("ignore"))
      const client = yield* dial()
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(client.happened, [])
      client.ws.terminate()
      yield* second
      assert.deepStrictEqual(client.happened, ["error", "close"])
      assert.strictEqual(client.closed?.code, 1006)
    }).pipe(simulated)
  )
})

describe("a new connection", () => {
  it.effect("is closed with a code, or dropped, in place of HELLO", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.hello(Act.close(4000), { times: 1 }), Fault.hello(Act.drop, { times: 1 }))
      const closed = yield* dial()
      yield* second
      const dropped = yield* dial()
      yield* second
      assert.deepStrictEqual(closed.happened, ["open", "close"])
      assert.strictEqual(closed.closed?.code, 4000)
      assert.deepStrictEqual(dropped.happened, ["open", "close"])
      assert.strictEqual(dropped.closed?.code, 1006)
    }).pipe(simulated)
  )

  it.effect("gets op 7 before HELLO, or instead of it", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(
        Fault.hello(Act.reconnect, { when: "before", times: 1 }),
        Fault.hello(Act.reconnect, { times: 1 })
      )
      const before = yield* dial()
      const instead = yield* dial()
      yield* second
      assert.deepStrictEqual(before.ops, [7, 10])
      assert.deepStrictEqual(instead.ops, [7])
    }).pipe(simulated)
  )

  it.effect("gets no HELLO, or HELLO and then silence", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(
        Fault.hello(Act.mute, { times: 1 }),
        Fault.hello(Act.mute, { when: "after", times: 1 })
      )
      const silent = yield* dial()
      const hello = yield* dial()
      yield* second
      hello.identify()
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(silent.ops, [])
      assert.deepStrictEqual(hello.ops, [10])
      assert.strictEqual((yield* simulator.counts).identifies, 0)
    }).pipe(simulated)
  )
})

describe("a heartbeat", () => {
  it.effect("is not acknowledged on one shard, while the other one's is", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const zero = yield* connected({ shard: [0, 2] })
      const one = yield* connected({ shard: [1, 2] })
      yield* simulator.faults.inject(Fault.heartbeat(Fault.nothing, { shard: 1 }))
      zero.send(1)
      one.send(1)
      yield* second
      assert.include(zero.ops, 11)
      assert.notInclude(one.ops, 11)
      yield* simulator.faults.clear
      one.send(1)
      yield* second
      assert.include(one.ops, 11)
    }).pipe(Effect.provide(DiscordSimulator.layerWith({ maxConcurrency: 2 })))
  )
})

describe("IDENTIFY", () => {
  it.effect("is answered by op 9, and counts all the same", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.identify(Act.invalidSession(false), { times: 1 }))
      const client = yield* connected()
      assert.deepStrictEqual(client.ops, [10, 9])
      client.identify()
      yield* second
      assert.strictEqual((yield* simulator.counts).identifyViolations, 1)
      yield* TestClock.adjust("5 seconds")
      client.identify()
      yield* second
      assert.deepStrictEqual(client.events, ["READY"])
    }).pipe(simulated)
  )

  it.effect("is answered a minute later, and heartbeats go on meanwhile", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.identify(Fault.late("1 minute")))
      const client = yield* connected()
      client.send(1)
      yield* TestClock.adjust("58 seconds")
      assert.deepStrictEqual(client.ops, [10, 11])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(client.events, ["READY"])
    }).pipe(simulated)
  )
})

describe("RESUME", () => {
  it.effect.each([
    ["op 9 true", Act.invalidSession(true), "RESUMED"],
    ["op 9 false", Act.invalidSession(false), "op 9"],
    ["close 4000", Act.close(4000), "RESUMED"],
    ["close 4009", Act.close(4009), "op 9"],
    ["a lost connection", Act.drop, "RESUMED"]
  ] as const)("is answered by %s once", ([, act, then]) =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected()
      yield* simulator.drop()
      yield* simulator.faults.inject(Fault.resume(act, { times: 1 }))
      for (const expected of ["fault", then]) {
        const again = yield* dial(resumeUrl)
        yield* second
        again.resume(client.sessionId, 1)
        yield* second
        if (expected === "RESUMED") assert.deepStrictEqual(again.events, ["RESUMED"])
        if (expected === "op 9") assert.deepInclude(again.received[1], { op: 9, d: false })
        if (expected === "fault") assert.deepStrictEqual(again.events, [])
        again.ws.terminate()
      }
    }).pipe(simulated)
  )

  it.effect("is answered, and then the connection is lost", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected()
      yield* simulator.drop()
      yield* simulator.faults.inject(Fault.resume(Act.drop, { when: "after" }))
      const again = yield* dial(resumeUrl)
      yield* second
      again.resume(client.sessionId, 1)
      yield* second
      assert.deepStrictEqual(again.events, ["RESUMED"])
      assert.strictEqual(again.closed?.code, 1006)
    }).pipe(simulated)
  )
})

describe("Discord acts of its own accord:", () => {
  it.effect("op 7, op 1, garbage and a close frame without a code", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected()
      assert.strictEqual(yield* simulator.reconnect(), 1)
      yield* simulator.requestHeartbeat()
      yield* simulator.sendRaw("{")
      yield* simulator.sendRaw(Uint8Array.of(1, 2, 3))
      yield* simulator.close()
      yield* second
      assert.deepStrictEqual(client.frames.slice(2), [
        `{"t":null,"s":null,"op":7,"d":null}`,
        `{"t":null,"s":null,"op":1,"d":null}`,
        "{",
        Uint8Array.of(1, 2, 3)
      ])
      assert.deepStrictEqual(client.closed, { code: 1005, reason: "" })
      assert.deepInclude((yield* simulator.connections)[0]?.end, { by: "server", how: "close", code: undefined })
    }).pipe(simulated)
  )

  it.effect("only on the shard that was named", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const zero = yield* connected({ shard: [0, 2] })
      const one = yield* connected({ shard: [1, 2] })
      assert.strictEqual(yield* simulator.close(4000, { shard: 1, reason: "tired" }), 1)
      yield* second
      assert.notInclude(zero.happened, "close")
      assert.deepStrictEqual(one.closed, { code: 4000, reason: "tired" })
    }).pipe(Effect.provide(DiscordSimulator.layerWith({ maxConcurrency: 2 })))
  )
})

describe("a mute Discord", () => {
  it.effect("says and hears everything when it is no longer mute", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected()
      yield* simulator.mute()
      client.send(1)
      yield* simulator.dispatch("MESSAGE_CREATE", {})
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(client.ops, [10, 0])
      assert.strictEqual((yield* simulator.counts).heartbeats, 0)
      yield* simulator.faults.clear
      yield* second
      assert.deepStrictEqual(client.ops, [10, 0, 0, 11])
      assert.notInclude(client.happened, "close")
    }).pipe(simulated)
  )

  it.effect("does not answer a close frame, but the record tells of it", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected()
      yield* simulator.mute()
      client.socket.close(4321)
      yield* TestClock.adjust("29 seconds")
      assert.notInclude(client.happened, "close")
      assert.deepInclude((yield* simulator.connections)[0]?.end, { by: "client", how: "close", code: 4321 })
      assert.isTrue((yield* simulator.sessions)[0]?.connected)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(client.closed?.code, 1006)
      yield* simulator.unmute()
      assert.deepInclude((yield* simulator.sessions)[0], { connected: false, alive: true })
    }).pipe(simulated)
  )

  it.effect("answers, once it is not mute, behind what was held back: sequences go up", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected({ intents: Intents.GUILD_VOICE_STATES })
      yield* simulator.mute()
      client.send(4, { guild_id: "1", channel_id: "2", self_mute: false, self_deaf: false })
      yield* TestClock.adjust("1 second")
      yield* simulator.dispatchAll([
        { t: "TYPING_START", d: {} },
        { t: "INTERACTION_CREATE", d: {} }
      ])
      yield* simulator.unmute()
      yield* TestClock.adjust("1 second")
      const sequences = client.received.flatMap(({ s }) => (s === null ? [] : [s]))
      assert.isAbove(sequences.length, 3)
      assert.deepStrictEqual(
        sequences,
        sequences.map((_, index) => index + 1)
      )
    }).pipe(simulated)
  )
})

describe("the REST API", () => {
  const get = Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(
      Effect.result(HttpClient.get("https://discord.com/api/v10/gateway")).pipe(
        Effect.flatMap((result) =>
          Result.isFailure(result)
            ? Effect.succeed(result.failure.reason._tag)
            : Effect.map(result.success.text, (body) => `${result.success.status} ${body}`)
        )
      )
    )
    yield* second
    return yield* Fiber.join(fiber)
  })

  it.effect("answers with a status, with nonsense, or not at all, as often as was said", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(
        Fault.http({ status: 503 }, { times: 1 }),
        Fault.http({ status: 429, retryAfter: "1500 millis" }, { times: 1 }),
        Fault.http("malformed", { times: 1 }),
        Fault.http("unreachable", { times: 1 })
      )
      assert.strictEqual(yield* get, `503 {"message":"503: Service Unavailable","code":0}`)
      assert.strictEqual(yield* get, `429 {"message":"You are being rate limited.","retry_after":1.5,"global":false}`)
      assert.strictEqual(yield* get, `200 {"url":`)
      assert.strictEqual(yield* get, "TransportError")
      assert.strictEqual(yield* get, `200 {"url":"wss://gateway.discord.gg"}`)
      assert.strictEqual((yield* simulator.counts).httpRequests, 5)
    }).pipe(simulated)
  )
})
