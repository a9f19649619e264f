import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import * as Act from "../../src/simulator/Act.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as Fault from "../../src/simulator/Fault.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

describe("a session on which RESUME fails again and again", () => {
  it.effect("is given up only after several failures and five minutes, then there is one IDENTIFY", () =>
    Effect.gen(function* () {
      const { simulator, watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("1 minute")
      yield* simulator.faults.inject(Fault.resume(Act.drop))
      yield* simulator.drop()
      yield* TestClock.adjust("299 seconds")
      assert.strictEqual((yield* simulator.counts).identifies, 1)
      assert.notInclude(watcher.tags(), "SessionDropped")
      yield* TestClock.adjust("2 minutes")
      assert.include(watcher.tags(), "SessionDropped")
      assert.strictEqual((yield* simulator.counts).identifies, 2)
      assert.strictEqual(watcher.tags().at(-1), "Ready")
    }).pipe(Effect.provide(SimulatedBot.layer({ simulator: { sessionTimeout: "1 hour" } })))
  )

  it.effect("is given up by the configured policy, and op 9 at the end of the failures is enough, too", () =>
    Effect.gen(function* () {
      const { simulator } = yield* SimulatedBot.ready
      yield* TestClock.adjust("1 minute")
      yield* simulator.faults.inject(Fault.resume(Act.drop, { times: 2 }))
      yield* simulator.drop()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2], [6], [6], [2]])
      yield* simulator.faults.inject(Fault.resume(Act.drop, { times: 1 }), Fault.resume(Act.invalidSession(false)))
      yield* simulator.drop()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual((yield* SimulatedBot.handshakes).slice(4), [[6], [6], [2]])
    }).pipe(Effect.provide(SimulatedBot.layer({ config: { giveUpResume: { failures: 2, after: "500 millis" } } })))
  )
})

describe("a payload that is malformed at every replay", () => {
  for (const [what, frame] of [
    ["no JSON", "{{{"],
    ["a wrong shape", '{"op":0,"d":{},"s":"seven","t":1}'],
    ["over the limit", `{"op":0,"d":"${"x".repeat(9000)}","s":2,"t":"X"}`]
  ] as const) {
    it.effect(`(${what}) is left out after three times, visibly, and everything else arrives`, () =>
      Effect.gen(function* () {
        const { listener, simulator, watcher } = yield* SimulatedBot.ready
        yield* TestClock.adjust("1 minute")
        yield* simulator.faults.inject(Fault.resume(Act.sendRaw(frame), { when: "before" }))
        yield* simulator.sendRaw(frame)
        yield* TestClock.adjust("15 millis")
        yield* simulator.dispatch("MESSAGE_CREATE", { content: "behind it" })
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(
          listener.dispatches().flatMap(({ t }) => (t === "RESUMED" ? [] : [t])),
          ["READY", "MESSAGE_CREATE"]
        )
        assert.strictEqual(watcher.tags().filter((tag) => tag === "MalformedSkipped").length, 1)
        assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2], [6], [6], [6]])
      }).pipe(Effect.provide(SimulatedBot.layer({ config: { maxPayloadBytes: 8192 } })))
    )
  }
})

describe("bad input", () => {
  const frames: ReadonlyArray<readonly [what: string, frame: string | Uint8Array]> = [
    ["text that is not JSON", "hello"],
    ["nothing", ""],
    ["JSON of the wrong shape", "[1,2,3]"],
    ["a sequence that is no number", '{"op":0,"d":null,"s":{},"t":"X"}'],
    ["a HELLO without an interval", '{"op":10,"d":{}}'],
    ["a HELLO with an interval of 0", '{"op":10,"d":{"heartbeat_interval":0}}'],
    ["a READY without a session", '{"op":0,"d":{"v":10},"s":99,"t":"READY"}'],
    ["bytes that are no text", new Uint8Array([0xff, 0xfe, 0x00, 0x80])]
  ]
  for (const [what, frame] of frames) {
    it.effect(`(${what}) ends the connection, which resumes, and is told without its content`, () =>
      Effect.gen(function* () {
        const { simulator, watcher } = yield* SimulatedBot.ready
        yield* TestClock.adjust("1 minute")
        yield* simulator.sendRaw(frame)
        yield* TestClock.adjust("1 second")
        const lost = watcher.events.find(({ _tag }) => _tag === "Disconnected")
        assert.strictEqual(lost?._tag === "Disconnected" && lost.reason._tag, "MalformedPayload")
        assert.strictEqual(watcher.tags().at(-1), "Resumed")
      }).pipe(Effect.provide(SimulatedBot.layer()))
    )
  }

  it.effect("of an unknown opcode is handed on and told", () =>
    Effect.gen(function* () {
      const { listener, simulator, watcher } = yield* SimulatedBot.ready
      yield* simulator.sendRaw('{"op":99,"d":{"new":true}}')
      yield* TestClock.adjust("1 second")
      assert.deepInclude(listener.payloads.at(-1), { op: 99, d: { new: true } })
      assert.strictEqual(watcher.tags().at(-1), "UnknownOpcode")
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("that comes twice is dropped, and a gap is told with its bounds", () =>
    Effect.gen(function* () {
      const { gateway, listener, simulator, watcher } = yield* SimulatedBot.ready
      for (const s of [2, 3, 3, 2, 7, 8]) yield* simulator.sendRaw(`{"op":0,"d":null,"s":${s},"t":"X"}`)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        listener.dispatches().map(({ s }) => s),
        [1, 2, 3, 7, 8]
      )
      assert.deepInclude(
        watcher.events.find(({ _tag }) => _tag === "GapDetected"),
        { from: 4, to: 6 }
      )
      assert.strictEqual(watcher.tags().filter((tag) => tag === "DuplicateDropped").length, 2)
      assert.strictEqual((yield* gateway.shards)[0]?.sequence.valueOrUndefined, 8)
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )
})

describe("RESUMED", () => {
  for (const sequence of [1, null, 2]) {
    it.effect(`ends the replay whatever its sequence: ${sequence}`, () =>
      Effect.gen(function* () {
        const { gateway, listener, simulator, watcher } = yield* SimulatedBot.ready
        const resumed = JSON.stringify({ op: 0, d: null, s: sequence, t: "RESUMED" })
        yield* simulator.faults.inject(Fault.resume(Act.sendRaw(resumed), { times: 1 }))
        yield* simulator.drop()
        yield* TestClock.adjust("1 second")
        assert.strictEqual(watcher.tags().at(-1), "Resumed")
        assert.strictEqual((yield* gateway.shards)[0]?.state, "ready")
        assert.deepStrictEqual(listener.dispatches().at(-1), { t: "RESUMED", s: sequence })
      }).pipe(Effect.provide(SimulatedBot.layer()))
    )
  }
})

describe("a machine that was asleep", () => {
  /** A clock whose wall time can be moved ahead of the monotonic time. */
  const sleepy = <A, E, R>(effect: (asleep: (millis: number) => void) => Effect.Effect<A, E, R>) =>
    Effect.clockWith((clock) => {
      let ahead = 0
      const wall = () => clock.currentTimeMillisUnsafe() + ahead
      const shifted: Clock.Clock = {
        currentTimeMillisUnsafe: wall,
        currentTimeMillis: Effect.sync(wall),
        currentTimeNanosUnsafe: () => BigInt(Math.round(wall() * 1e6)),
        currentTimeNanos: Effect.sync(() => BigInt(Math.round(wall() * 1e6))),
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
        monotonicTimeNanos: clock.monotonicTimeNanos,
        sleep: (duration) => clock.sleep(duration)
      }
      // TestClock.adjust works on the clock underneath.
      return effect((millis) => {
        ahead += millis
      }).pipe(Effect.provideService(Clock.Clock, Object.assign(Object.create(clock), shifted)))
    })

  it.effect("reconnects and resumes on wake, not at the next missed acknowledgement", () =>
    sleepy((asleep) =>
      Effect.gen(function* () {
        const { simulator, watcher } = yield* SimulatedBot.ready
        yield* TestClock.adjust("1 minute")
        // While it slept, the connection died without a word.
        yield* simulator.mute()
        asleep(60_000)
        yield* TestClock.adjust("6 seconds")
        const lost = watcher.events.find(({ _tag }) => _tag === "Disconnected")
        assert.strictEqual(lost?._tag === "Disconnected" && lost.reason._tag, "SystemSlept")
        assert.strictEqual(watcher.tags().at(-1), "Resumed")
      }).pipe(Effect.provide(SimulatedBot.layer()))
    )
  )

  it.effect("does not wait out its backoff", () =>
    sleepy((asleep) =>
      Effect.gen(function* () {
        const simulator = yield* DiscordSimulator
        const { watcher } = yield* SimulatedBot.ready
        yield* TestClock.adjust("1 minute")
        yield* simulator.faults.inject(Fault.dial("refuse"))
        yield* simulator.drop()
        yield* TestClock.adjust("100 seconds")
        yield* simulator.faults.clear
        asleep(60_000)
        yield* TestClock.adjust("6 seconds")
        assert.strictEqual(watcher.tags().at(-1), "Resumed")
      }).pipe(Effect.provide(SimulatedBot.layer({ simulator: { sessionTimeout: "1 hour" } })))
    )
  )

  it.effect("is not taken for one whose clock was set by a few seconds", () =>
    sleepy((asleep) =>
      Effect.gen(function* () {
        const { watcher } = yield* SimulatedBot.ready
        asleep(10_000)
        yield* TestClock.adjust("10 seconds")
        asleep(-3_600_000)
        yield* TestClock.adjust("1 minute")
        assert.notInclude(watcher.tags(), "Disconnected")
      }).pipe(Effect.provide(SimulatedBot.layer()))
    )
  )
})
