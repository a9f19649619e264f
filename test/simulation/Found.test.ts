/**
 * Defects that the simulation found, each in the smallest arrangement that shows it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as SkewedClock from "./SkewedClock.ts"
import { Gateway } from "../../src/gateway/Gateway.ts"
import { ShardId } from "../../src/schema/ShardId.ts"
import { LowWaterMark } from "../../src/shard/LowWaterMark.ts"
import { SessionSaver } from "../../src/shard/SessionSaver.ts"
import { ShardSession } from "../../src/shard/ShardSession.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import * as Act from "../../src/simulator/Act.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as Fault from "../../src/simulator/Fault.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

describe("the day's budget of IDENTIFYs", () => {
  it.effect("is not overrun when Discord is asked anew while a shard waits for its turn", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      // The dial of one shard fails, so that it asks for the URL, and hears of the budget, while another one waits.
      yield* simulator.faults.inject(Fault.dial("refuse", { times: 1 }))
      yield* SimulatedBot.ready
      yield* TestClock.adjust("5 minutes")
      assert.deepInclude(yield* simulator.counts, { identifies: 2, overruns: 0 })
    }).pipe(
      Effect.provide(
        SimulatedBot.layer({
          config: { shards: 3 },
          simulator: { sessionStartLimit: { total: 50, remaining: 2, resetAfter: "1 hour" } }
        })
      )
    )
  )
})

describe("a machine that sleeps while a shard waits for its turn to IDENTIFY", () => {
  it.effect("does not IDENTIFY too early afterwards", () =>
    Effect.gen(function* () {
      const testClock = yield* TestClock.testClockWith(Effect.succeed)
      const clock = SkewedClock.make(testClock)
      yield* Effect.gen(function* () {
        const simulator = yield* DiscordSimulator
        yield* simulator.faults.inject(Fault.identify(Act.invalidSession(false)))
        const { tags } = yield* SimulatedBot.watch
        let sleeps = 0
        for (let step = 0; step < 1500; step++) {
          yield* testClock.adjust(100)
          if (tags().at(-1) !== "IdentifyQueued" || step % 2 === 0) continue
          clock.jump(4500)
          sleeps++
          yield* testClock.adjust("8 seconds")
        }
        assert.isAbove(sleeps, 2)
        assert.strictEqual((yield* simulator.counts).identifyViolations, 0)
      }).pipe(
        Effect.provide(SimulatedBot.layer({ config: { reconnect: Schedule.spaced("1 second") } })),
        Effect.provideService(Clock.Clock, clock)
      )
    })
  )
})

describe("a sequence that is none", () => {
  const harmless = (frame: string) =>
    Effect.gen(function* () {
      const { gateway, simulator } = yield* SimulatedBot.ready
      yield* simulator.sendRaw(frame)
      yield* TestClock.adjust("2 minutes")
      yield* simulator.dispatch("MESSAGE_CREATE", {})
      yield* TestClock.adjust("1 second")
      const session = Option.getOrThrow(yield* gateway.session())
      assert.strictEqual(session.sequence, (yield* simulator.sessions)[0]?.sequence)
      assert.strictEqual((yield* simulator.connections).at(-1)?.end, undefined)
    }).pipe(Effect.provide(SimulatedBot.layer()))

  it.effect("does no harm on a payload that is no dispatch", () => harmless('{"op":1,"s":9007199254740991}'))
  it.effect("does no harm where it is too large for a number", () =>
    harmless('{"op":0,"t":"MESSAGE_CREATE","s":9007199254740992,"d":{}}')
  )
})

describe("shutting down", () => {
  it.effect("takes no longer with ten shards than with one, though Discord does not answer", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(SimulatedBot.gateway({ shards: 10 }), scope)
      yield* TestClock.adjust("2 minutes")
      yield* simulator.mute()
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("1100 millis")
      const isClosed = closing.pollUnsafe() !== undefined
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(closing)
      assert.isTrue(isClosed)
    }).pipe(Effect.provide(SimulatedBot.discord()))
  )
})

describe("the mark of handled dispatches", () => {
  it("does not go back when something is told that was dropped before it", () => {
    const mark = new LowWaterMark(null, () => undefined)
    const [ready, dropped, message] = [mark.append(1), mark.append(2), mark.append(3)]
    ready.complete()
    message.complete()
    assert.strictEqual(mark.value, 1)
    dropped.complete()
    assert.strictEqual(mark.value, 3)
    dropped.complete()
    assert.strictEqual(mark.value, 3)
  })
})

describe("a program that is stopped while it reads its sessions", () => {
  it.effect("leaves them to the next one", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const backing = Context.get(yield* Layer.build(SessionStore.layerMemory), SessionStore)
      const run = (reads: "answer" | "hang") =>
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          const store = SessionStore.of({
            ...backing,
            durable: true,
            get: (shard) => (reads === "hang" ? Effect.never : backing.get(shard))
          })
          const services = Layer.succeed(SessionStore, store)
          yield* Layer.buildWithScope(SimulatedBot.gateway().pipe(Layer.provide(services)), scope)
          yield* TestClock.adjust("3 seconds")
          const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
          yield* TestClock.adjust("10 seconds")
          yield* Fiber.join(closing)
        })
      yield* run("answer")
      yield* run("hang")
      yield* run("answer")
      assert.deepInclude(yield* simulator.counts, { identifies: 1, resumes: 1 })
    }).pipe(Effect.provide(SimulatedBot.discord()))
  )
})

describe("a handler that is interrupted and started again, beside a subscriber that came after its payload", () => {
  it.effect("is handed the payload again, which nobody else has", () =>
    Effect.gen(function* () {
      const { gateway, simulator } = yield* SimulatedBot.ready.pipe(Effect.scoped)
      const handed: Array<number | null> = []
      const handle = gateway.handle({
        MESSAGE_CREATE: ({ s }) =>
          Effect.andThen(
            Effect.sync(() => void handed.push(s)),
            Effect.never
          )
      })
      const first = yield* Effect.forkChild(handle)
      yield* simulator.dispatch("MESSAGE_CREATE", {})
      yield* TestClock.adjust("1 second")
      yield* SimulatedBot.listen
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(first)
      yield* Effect.forkChild(handle)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(handed, [2, 2])
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )
})

describe("a handler that fails and is started again, beside another subscriber", () => {
  it.effect("is handed the payload again, though it was the first subscriber and handles by name", () =>
    Effect.gen(function* () {
      const gateway = yield* Gateway
      const simulator = yield* DiscordSimulator
      const handed: Array<number | null> = []
      const handle = gateway.handle({
        MESSAGE_CREATE: ({ s }) => {
          handed.push(s)
          return handed.length === 1 ? Effect.fail("once") : Effect.void
        }
      })
      yield* Effect.forkScoped(Effect.retry(handle, Schedule.spaced("2 seconds")))
      yield* TestClock.adjust("1 second")
      yield* SimulatedBot.listen
      yield* TestClock.adjust("1 second")
      yield* simulator.dispatch("MESSAGE_CREATE", {})
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(handed, [2, 2])
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )
})

/** A saver on a store in which a write takes so many milliseconds. */
const makeSaver = Effect.fnUntraced(function* (durationOf: (sequence: number) => number) {
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const shard = new ShardId({ id: 0, total: 1 })
  const session = new ShardSession(shard, { intents: 0, origin: "" })
  const written: Array<number> = []
  const saver = new SessionSaver({
    id: shard,
    session,
    store: SessionStore.of({
      durable: true,
      get: () => Effect.succeedNone,
      remove: () => Effect.void,
      set: ({ sequence }) =>
        // What was sent to a store is not taken back.
        Effect.callback<void>((resume) => {
          const write = Effect.sync(() => {
            written.push(sequence)
            resume(Effect.void)
          })
          fork(Effect.delay(write, durationOf(sequence)))
        })
    }),
    host: { announce: () => Effect.void, fork },
    every: Duration.seconds(1),
    readFor: Duration.seconds(1),
    timeout: Duration.seconds(5)
  })
  yield* saver.load
  session.establish("session", "wss://gateway.discord.gg")
  session.append(1).complete()
  return { saver, session, written }
})

describe("a session that begins soon after the last writing", () => {
  it.effect("is stored at once, as an IDENTIFY is dear", () =>
    Effect.gen(function* () {
      const { saver, session, written } = yield* makeSaver(() => 1)
      saver.changed()
      yield* TestClock.adjust("10 millis")
      session.drop()
      session.establish("another", "wss://gateway.discord.gg")
      session.append(7).complete()
      saver.begun()
      yield* TestClock.adjust("10 millis")
      assert.deepStrictEqual(written, [1, 7])
    })
  )
})

describe("two writes of one session at once", () => {
  it.effect("leave the later state in the store, though the earlier write takes longer", () =>
    Effect.gen(function* () {
      const { saver, session, written } = yield* makeSaver((sequence) => (sequence === 1 ? 1000 : 10))
      yield* Effect.forkChild(saver.flush, { startImmediately: true })
      session.append(2).complete()
      yield* Effect.forkChild(saver.flush, { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual([written.at(-1), session.stored], [2, 2])
    })
  )

  for (const how of ["flush", "changed"] as const) {
    it.effect(`leave the last state in the store when the shard is closed meanwhile (${how})`, () =>
      Effect.gen(function* () {
        const { saver, session, written } = yield* makeSaver((sequence) => (sequence === 1 ? 1000 : 10))
        if (how === "changed") saver.changed()
        else yield* Effect.forkChild(saver.flush, { startImmediately: true })
        yield* TestClock.adjust("1 millis")
        session.append(2).complete()
        const closing = yield* Effect.forkChild(saver.close, { startImmediately: true })
        yield* TestClock.adjust("3 seconds")
        assert.isDefined(closing.pollUnsafe())
        assert.deepStrictEqual(written, [1, 2])
        // A handler that is still running wants its progress stored.
        yield* Effect.forkChild(saver.flush)
        yield* TestClock.adjust("3 seconds")
        assert.deepStrictEqual(written, [1, 2], "another process may go on with the session")
      })
    )
  }

  it.effect("that hang hold up the close of the shard for no longer than one", () =>
    Effect.gen(function* () {
      const { saver, session } = yield* makeSaver(() => 3_600_000)
      saver.changed()
      yield* TestClock.adjust("2 seconds")
      session.append(2).complete()
      const closing = yield* Effect.forkChild(saver.close, { startImmediately: true })
      yield* TestClock.adjust("4 seconds")
      assert.isDefined(closing.pollUnsafe())
    })
  )
})
