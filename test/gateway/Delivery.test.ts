import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import type { Payload } from "../../src/schema/Payload.ts"
import * as Delivery from "../../src/gateway/Delivery.ts"
import { Gateway } from "../../src/gateway/Gateway.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

const messages = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => ({ t: "MESSAGE_CREATE", d: { n: from + index } }))

const numbers = (payloads: ReadonlyArray<Payload>) =>
  payloads.flatMap(({ d, t }) => (t === "MESSAGE_CREATE" ? [(d as { n: number }).n] : []))

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

describe("delivery", () => {
  it.effect("keeps everything before the first subscriber", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* Gateway
      yield* TestClock.adjust("1 second")
      yield* simulator.dispatchAll(messages(1, 100))
      yield* TestClock.adjust("1 second")
      const listener = yield* SimulatedBot.listen
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(numbers(listener.payloads), range(1, 100))
      assert.deepStrictEqual(
        listener.payloads.slice(0, 2).map(({ op, t }) => t ?? op),
        [10, "READY"]
      )
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("hands every payload to every subscriber, in order", () =>
    Effect.gen(function* () {
      const { simulator, listener: first } = yield* SimulatedBot.ready
      const second = yield* SimulatedBot.listen
      for (let n = 1; n <= 1000; n += 100) {
        yield* simulator.dispatchAll(messages(n, n + 99))
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(numbers(first.payloads), range(1, 1000))
      assert.deepStrictEqual(numbers(second.payloads), range(1, 1000))
    }).pipe(Effect.provide(SimulatedBot.layer({ config: { buffer: 50 } })))
  )

  it.effect("gives typed dispatches by name", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const gateway = yield* Gateway
      const first = yield* Effect.forkChild(
        gateway.on("MESSAGE_CREATE").pipe(
          Stream.map(({ d }) => d.content),
          Stream.runHead
        )
      )
      yield* TestClock.adjust("1 second")
      yield* simulator.dispatch("TYPING_START", {})
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "hello" })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual((yield* Fiber.join(first)).valueOrUndefined, "hello")
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("pauses the socket for a slow subscriber, keeps it alive, and loses nothing", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const gateway = yield* Gateway
      const open = yield* Latch.make(false)
      const got: Array<Payload> = []
      yield* Effect.forkScoped(
        Stream.runForEach(gateway.payloads, (payload) =>
          Effect.andThen(
            payload.t === "MESSAGE_CREATE" ? open.await : Effect.void,
            Effect.sync(() => void got.push(payload))
          )
        )
      )
      const watcher = yield* SimulatedBot.watch
      yield* TestClock.adjust("1 second")
      // Far more than the buffer (100 payloads) and the socket's own (64 KiB) hold.
      const event = { t: "MESSAGE_CREATE", d: { n: 0, content: "x".repeat(1000) } }
      for (let n = 1; n <= 5000; n += 50) {
        yield* simulator.dispatchAll(
          Array.from({ length: 50 }, (_, index) => ({ ...event, d: { ...event.d, n: n + index } }))
        )
        yield* TestClock.adjust("3 seconds")
      }
      const before = yield* simulator.counts
      assert.isAtLeast(before.heartbeats, 7, "heartbeats go on")
      const behind = watcher.events.find(({ _tag }) => _tag === "ConsumerBehind")
      assert.isDefined(behind)
      assert.isAtMost(behind?._tag === "ConsumerBehind" ? behind.buffered : Infinity, 100 + 50)
      yield* open.open
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(numbers(got), range(1, 5000))
      assert.strictEqual((yield* simulator.counts).connections, 1, "no zombie verdict while we are the slow side")
      assert.strictEqual(watcher.tags().at(-1), "ConsumerCaughtUp")
    }).pipe(Effect.provide(SimulatedBot.layer({ config: { buffer: 100 } })))
  )

  it.effect("keeps payloads between two subscribers", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const gateway = yield* Gateway
      const first = yield* Effect.forkChild(gateway.on("READY").pipe(Stream.runHead))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(first)
      yield* simulator.dispatchAll(messages(1, 10))
      yield* TestClock.adjust("1 second")
      const second = yield* SimulatedBot.listen
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(numbers(second.payloads), range(1, 10))
      assert.notInclude(
        second.payloads.map(({ t }) => t),
        "READY",
        "what the first one was given does not come again"
      )
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )
})

describe("a buffer of large payloads", () => {
  it("is full by its bytes, too", () => {
    const delivery = Delivery.make({ capacity: 10, capacityBytes: 1000 })
    const large: Payload = { op: 0, d: null, s: 1, t: "X", shard: 0 }
    delivery.append([large], 999, () => {})
    assert.isFalse(delivery.isFull())
    delivery.append([large], 1, () => {})
    assert.isTrue(delivery.isFull())
  })

  it.effect("pauses the socket long before there are many of them", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* Gateway
      const watcher = yield* SimulatedBot.watch
      yield* TestClock.adjust("1 second")
      for (let n = 0; n < 50; n++) {
        yield* simulator.dispatch("MESSAGE_CREATE", { text: "x".repeat(100_000) })
        yield* TestClock.adjust("1 second")
      }
      const behind = watcher.events.find(({ _tag }) => _tag === "ConsumerBehind")
      assert.isAtMost(behind?._tag === "ConsumerBehind" ? behind.buffered : Infinity, 15)
    }).pipe(Effect.provide(SimulatedBot.layer({ config: { bufferBytes: 1_000_000 } })))
  )
})

describe("a payload is handled", () => {
  const payload = (s: number): Payload => ({ op: 0, d: null, s, t: "X", shard: 0 })
  const arrange = () => {
    const handled: Array<number | null> = []
    const delivery = Delivery.make({ capacity: 10, capacityBytes: 1000 })
    const append = (payloads: ReadonlyArray<Payload>) =>
      delivery.append(payloads, 1, (done) => handled.push(...done.map(({ s }) => s)))
    return { append, delivery, handled }
  }
  /** A subscriber that handles one payload each time that it is told to. */
  const stepping = Effect.fnUntraced(function* (delivery: Delivery.Delivery) {
    const latch = yield* Latch.make(false)
    const fiber = yield* Effect.forkChild(
      Stream.runForEach(Stream.rechunk(delivery.payloads, 1), () => Effect.andThen(latch.await, latch.close))
    )
    return { fiber, step: Effect.andThen(latch.open, TestClock.adjust("1 millis")) }
  })

  it.effect("when every subscriber that was listening has asked for more", () =>
    Effect.gen(function* () {
      const { append, delivery, handled } = arrange()
      const first = yield* stepping(delivery)
      const second = yield* stepping(delivery)
      yield* TestClock.adjust("1 millis")
      append([payload(1)])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(handled, [])
      yield* first.step
      assert.deepStrictEqual(handled, [])
      yield* second.step
      assert.deepStrictEqual(handled, [1])
      yield* Fiber.interrupt(first.fiber)
      yield* Fiber.interrupt(second.fiber)
    })
  )

  it.effect("not by a subscriber that is interrupted in the midst of it", () =>
    Effect.gen(function* () {
      const { append, delivery, handled } = arrange()
      const only = yield* stepping(delivery)
      yield* TestClock.adjust("1 millis")
      append([payload(1)])
      yield* TestClock.adjust("1 millis")
      yield* Fiber.interrupt(only.fiber)
      assert.deepStrictEqual(handled, [])
    })
  )

  it.effect("and what was dropped behind it only then", () =>
    Effect.gen(function* () {
      const delivery = Delivery.make({ capacity: 10, capacityBytes: 1000 })
      const told: Array<string> = []
      const dropped = (what: string) =>
        delivery.append(
          [],
          0,
          () => {},
          () => told.push(what)
        )
      dropped("nothing before it")
      assert.deepStrictEqual(told, ["nothing before it"])
      const only = yield* stepping(delivery)
      yield* TestClock.adjust("1 millis")
      delivery.append(
        [payload(1)],
        1,
        () => told.push("handled"),
        () => told.push("complete")
      )
      dropped("behind it")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(told.length, 1)
      yield* only.step
      assert.deepStrictEqual(told.slice(1), ["handled", "complete", "behind it"])
      yield* Fiber.interrupt(only.fiber)
    })
  )
})
