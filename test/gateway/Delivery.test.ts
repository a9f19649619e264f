import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { permanent } from "../../src/services/ShardLease.ts"
import * as Deliveries from "../../src/gateway/Deliveries.ts"
import type { Delivery } from "../../src/gateway/Delivery.ts"
import { DeliveryLog } from "../../src/gateway/DeliveryLog.ts"
import { Gateway } from "../../src/gateway/Gateway.ts"
import * as Handlers from "../../src/gateway/Handlers.ts"
import type { GatewayError } from "../../src/schema/GatewayError.ts"
import { isDispatchOf, type Payload } from "../../src/schema/Payload.ts"
import { LowWaterMark, type MarkSegment } from "../../src/shard/LowWaterMark.ts"
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

const payload = (s: number): Payload => ({ op: 0, d: null, s, t: "X", shard: 0 })

const collectGarbage = (): void => {
  setFlagsFromString("--expose-gc")
  runInNewContext("gc")()
}

/** A log of one session. */
/** The stream of `on(…)`. */
const dispatches = (log: DeliveryLog, names: ReadonlySet<string>) =>
  Deliveries.dispatches(log, names, (payload): payload is Payload => isDispatchOf(payload, names))

const arrange = Effect.fnUntraced(function* (capacity: number = 10) {
  const fork = yield* FiberSet.makeRuntime<never, void, never>()
  const abandoned: Array<number> = []
  const mark = new LowWaterMark(0, () => undefined)
  const clock = yield* Clock.Clock
  const log = new DeliveryLog({
    capacity,
    capacityBytes: 100 * capacity,
    now: () => clock.currentTimeMillisUnsafe(),
    lease: permanent,
    grace: Duration.minutes(1),
    fork,
    onAbandoned: (payloads) => Effect.sync(() => void abandoned.push(payloads)),
    onWanted: () => undefined
  })
  const append = (payloads: ReadonlyArray<Payload>, size = 1, last = payloads.at(-1)?.s ?? null, handedOutBefore = 0) =>
    log.append(payloads, size, mark.append(last), handedOutBefore)
  return { abandoned, append, log, mark }
})

describe("a buffer of large payloads", () => {
  it.effect("is full by its bytes, too", () =>
    Effect.gen(function* () {
      const { append, log } = yield* arrange()
      append([payload(1)], 999)
      assert.isFalse(log.isFull())
      append([payload(2)], 1)
      assert.isTrue(log.isFull())
    })
  )

  it.effect("pauses the socket long before there are many of them", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* Gateway
      const watcher = yield* SimulatedBot.watch
      yield* TestClock.adjust("1 second")
      for (let n = 0; n < 50; n++) {
        yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { text: "x".repeat(100_000) } }])
        yield* TestClock.adjust("1 second")
      }
      const behind = watcher.events.find(({ _tag }) => _tag === "ConsumerBehind")
      assert.isAtMost(behind?._tag === "ConsumerBehind" ? behind.buffered : Infinity, 15)
    }).pipe(Effect.provide(SimulatedBot.layer({ config: { bufferBytes: 1_000_000 } })))
  )
})

describe("a reader that waits for room", () => {
  const sequences = (log: DeliveryLog) =>
    Effect.map(Stream.runCollect(Stream.take(Deliveries.payloads(log), 1)), (taken) => taken.map(({ s }) => s))

  it.effect("reads on when a subscriber leaves, and the next one has what it brings", () =>
    Effect.gen(function* () {
      const { append, log } = yield* arrange(1)
      append([payload(1)])
      yield* Effect.forkChild(Effect.map(log.room, () => append([payload(2)])))
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* sequences(log), [1])
      assert.strictEqual(log.size().payloads, 1)
      assert.deepStrictEqual(yield* sequences(log), [2])
    })
  )

  it.effect("reads on when a subscriber fails beside another, and the one that comes back has what it brings", () =>
    Effect.gen(function* () {
      const { append, log } = yield* arrange(2)
      const names = new Set(["X"])
      const failing = yield* Effect.forkChild(
        Stream.runForEach(dispatches(log, names), () => Effect.andThen(Effect.sleep("1 second"), Effect.fail("failed")))
      )
      yield* Effect.forkChild(Stream.runDrain(Deliveries.payloads(log)))
      yield* TestClock.adjust("1 millis")
      append([payload(1)])
      append([{ ...payload(2), t: "Y" }])
      assert.isTrue(log.isFull())
      yield* Effect.forkChild(Effect.map(log.room, () => append([payload(3)])))
      yield* TestClock.adjust("1 second")
      yield* Fiber.await(failing)
      const taken = yield* Stream.runCollect(Stream.take(dispatches(log, names), 2))
      assert.deepStrictEqual(
        taken.map(({ s }) => s),
        [1, 3]
      )
    })
  )
})

describe("a payload is handled", () => {
  /** A subscriber that handles one payload each time that it is told to. */
  const stepping = Effect.fnUntraced(function* (log: DeliveryLog) {
    const latch = yield* Latch.make(false)
    const fiber = yield* Effect.forkChild(
      Stream.runForEach(Deliveries.payloads(log), () => Effect.andThen(latch.await, latch.close))
    )
    return { fiber, step: Effect.andThen(latch.open, TestClock.adjust("1 millis")) }
  })

  it.effect("when every subscriber that was listening has asked for more", () =>
    Effect.gen(function* () {
      const { append, log, mark } = yield* arrange()
      const first = yield* stepping(log)
      const second = yield* stepping(log)
      yield* TestClock.adjust("1 millis")
      append([payload(1), payload(2)])
      yield* TestClock.adjust("1 millis")
      yield* first.step
      yield* first.step
      assert.strictEqual(mark.value, 0)
      yield* second.step
      yield* second.step
      assert.strictEqual(mark.value, 2)
      yield* Fiber.interrupt(first.fiber)
      yield* Fiber.interrupt(second.fiber)
    })
  )

  it.effect("one by one, though several came together", () =>
    Effect.gen(function* () {
      const { append, log, mark } = yield* arrange()
      const only = yield* stepping(log)
      append([payload(1), payload(2), payload(3)])
      yield* TestClock.adjust("1 millis")
      yield* only.step
      assert.strictEqual(mark.value, 1)
      yield* only.step
      assert.strictEqual(mark.value, 2)
      yield* Fiber.interrupt(only.fiber)
      assert.strictEqual(mark.value, 2)
    })
  )

  it.effect("not by a subscriber that is interrupted with it in hand", () =>
    Effect.gen(function* () {
      const { append, log, mark } = yield* arrange()
      const only = yield* stepping(log)
      append([payload(1)])
      yield* TestClock.adjust("1 millis")
      yield* Fiber.interrupt(only.fiber)
      assert.strictEqual(mark.value, 0)
    })
  )

  it.effect("and what was dropped behind it only then", () =>
    Effect.gen(function* () {
      const { append, log, mark } = yield* arrange()
      append([], 0, 1)
      assert.strictEqual(mark.value, 1)
      const only = yield* stepping(log)
      append([payload(2)])
      append([], 0, 3)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(mark.value, 1)
      yield* only.step
      assert.strictEqual(mark.value, 3)
      yield* Fiber.interrupt(only.fiber)
    })
  )

  it.effect("in whatever order it is acknowledged: the mark moves over what is, without a gap", () =>
    Effect.gen(function* () {
      const { append, log, mark } = yield* arrange()
      const deliveries: Array<Delivery> = []
      yield* Effect.forkChild(
        Stream.runForEach(Deliveries.acknowledged(log), (delivery) => Effect.sync(() => deliveries.push(delivery)))
      )
      yield* TestClock.adjust("1 millis")
      append([payload(1), payload(2)])
      append([payload(3), payload(4)])
      append([payload(5)])
      yield* TestClock.adjust("1 millis")
      const acknowledge = (s: number) => deliveries.find(({ payload }) => payload.s === s)?.ack ?? Effect.void
      const marks: Array<number | null> = []
      for (const s of [5, 3, 2, 1, 4]) {
        yield* acknowledge(s)
        marks.push(mark.value)
      }
      assert.deepStrictEqual(marks, [0, 0, 0, 3, 5])
      assert.strictEqual(log.size().payloads, 0)
    })
  )

  it.effect("again after a nack, before those that come after it, and it says so", () =>
    Effect.gen(function* () {
      const { append, log, mark } = yield* arrange()
      const seen: Array<readonly [number | null, boolean, number]> = []
      yield* Effect.forkChild(
        Stream.runForEach(Deliveries.acknowledged(log), ({ ack, attempts, nack, payload, redelivered }) => {
          seen.push([payload.s, redelivered, attempts])
          return payload.s === 1 && attempts < 3 ? nack : ack
        })
      )
      yield* TestClock.adjust("1 millis")
      append([payload(1)])
      append([payload(2)])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(seen, [
        [1, false, 1],
        [1, true, 2],
        [1, true, 3],
        [2, false, 1]
      ])
      assert.strictEqual(mark.value, 2)
    })
  )
})

describe("a payload that nobody acknowledges", () => {
  it.effect("costs no more than itself, and those behind it leave the log", () =>
    Effect.gen(function* () {
      const { append, log, mark } = yield* arrange(1000)
      yield* Effect.forkChild(
        Stream.runForEach(Deliveries.acknowledged(log), ({ ack, payload }) => (payload.s === 1 ? Effect.void : ack))
      )
      yield* TestClock.adjust("1 millis")
      for (let s = 1; s <= 5000; s++) {
        append([payload(s)])
        if (s % 100 === 0) yield* TestClock.adjust("1 millis")
      }
      assert.strictEqual(log.size().payloads, 1)
      assert.strictEqual(mark.value, 0)
      assert.strictEqual(log.oldest()?.payload.s, 1)
    })
  )
})

describe("a payload that has left the log", () => {
  it.effect("is not kept by one before it that nobody acknowledges", () =>
    Effect.gen(function* () {
      const { append, log } = yield* arrange(1000)
      yield* Effect.forkChild(
        Stream.runForEach(Deliveries.acknowledged(log), ({ ack, payload }) => (payload.s === 1 ? Effect.void : ack))
      )
      yield* TestClock.adjust("1 millis")
      const left: Array<WeakRef<Payload>> = []
      for (let s = 1; s <= 500; s++) {
        const own = payload(s)
        left.push(new WeakRef(own))
        append([own])
        yield* TestClock.adjust("1 millis")
      }
      yield* TestClock.adjust("1 second")
      collectGarbage()
      assert.isBelow(left.filter((ref) => ref.deref() !== undefined).length, 10)
      assert.strictEqual(log.size().payloads, 1)
    })
  )
})

describe("the rest of a subscriber that leaves", () => {
  it.effect("is handed out once, though the next one comes while the log is telling of it", () =>
    Effect.gen(function* () {
      const { append, log, mark } = yield* arrange()
      const seen: Array<number | null> = []
      const take = ({ s }: Payload) => Effect.sync(() => seen.push(s))
      yield* Effect.forkChild(
        Effect.andThen(
          Stream.runForEach(Stream.take(Deliveries.payloads(log), 1), take),
          Stream.runForEach(Deliveries.payloads(log), take)
        )
      )
      yield* TestClock.adjust("1 millis")
      append([payload(1), payload(2), payload(3)])
      yield* TestClock.adjust("1 millis")
      append([payload(4)])
      yield* TestClock.adjust("1 millis")
      append([payload(5)])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(seen, [1, 2, 3, 4, 5])
      assert.strictEqual(mark.value, 5)
    })
  )

  it.effect("does not stay in the log when another one ends it while the log is telling of it", () =>
    Effect.gen(function* () {
      const { append, log, mark } = yield* arrange()
      const second = yield* Deferred.make<Fiber.Fiber<void, unknown>>()
      yield* Effect.forkChild(
        Stream.runForEach(Deliveries.payloads(log), () => Effect.flatMap(Deferred.await(second), Fiber.interrupt))
      )
      yield* TestClock.adjust("1 millis")
      yield* Deferred.succeed(second, yield* Effect.forkChild(Stream.runDrain(Deliveries.payloads(log))))
      yield* TestClock.adjust("1 millis")
      append([payload(1)])
      yield* TestClock.adjust("1 millis")
      append([payload(2)])
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(log.size().payloads, 0)
      assert.strictEqual(mark.value, 2)
    })
  )

  const fails = (at: number, seen: Array<number | null>) => (payload: Payload) =>
    Effect.suspend(() => {
      seen.push(payload.s)
      return payload.s === at && seen.filter((s) => s === at).length === 1 ? Effect.fail("once") : Effect.void
    })

  for (const isAlone of [true, false]) {
    it.effect(
      `goes to the next one when it failed, the failing payload first${isAlone ? "" : ", with another beside"}`,
      () =>
        Effect.gen(function* () {
          const { append, log, mark } = yield* arrange(1000)
          if (!isAlone) yield* Effect.forkChild(Stream.runDrain(Deliveries.payloads(log)))
          const seen: Array<number | null> = []
          const program = Handlers.run({ log, flush: () => Effect.void }, undefined, fails(7, seen))
          yield* Effect.forkChild(Effect.retry(program, { schedule: Schedule.spaced("1 second") }))
          yield* TestClock.adjust("1 millis")
          for (let s = 1; s <= 20; s++) {
            append([payload(s)])
            yield* TestClock.adjust("100 millis")
          }
          yield* TestClock.adjust("5 seconds")
          assert.deepStrictEqual(seen, [1, 2, 3, 4, 5, 6, 7, ...Array.from({ length: 14 }, (_, n) => n + 7)])
          assert.strictEqual(mark.value, 20)
        })
    )
  }

  /** Programs of deliveries, in each of which a failing handler interrupts what reads the log. */
  const composed = {
    merge: (deliveries, handle) =>
      Stream.merge(deliveries, Stream.never).pipe(Stream.mapEffect(handle), Stream.runDrain),
    buffer: (deliveries, handle) =>
      Stream.buffer(deliveries, { capacity: 4 }).pipe(Stream.mapEffect(handle), Stream.runDrain),
    groupByKey: (deliveries, handle) =>
      deliveries.pipe(
        Stream.groupByKey(({ payload }) => (payload.s ?? 0) % 2),
        Stream.flatMap(([, group]) => Stream.mapEffect(group, handle), { concurrency: "unbounded" }),
        Stream.runDrain
      ),
    broadcast: (deliveries, handle) =>
      Effect.scoped(
        Effect.gen(function* () {
          const [handled, seen] = yield* Stream.broadcastN(deliveries, { n: 2, capacity: 4 })
          yield* Effect.all([Stream.runForEach(handled, handle), Stream.runDrain(seen)], {
            concurrency: "unbounded",
            discard: true
          })
        })
      ),
    pool: (deliveries, handle) =>
      Effect.gen(function* () {
        const queue = yield* Queue.bounded<Delivery>(4)
        const worker = Effect.forever(Effect.flatMap(Queue.take(queue), handle))
        yield* Effect.all([Stream.runForEach(deliveries, (delivery) => Queue.offer(queue, delivery)), worker, worker], {
          concurrency: "unbounded",
          discard: true
        })
      })
  } satisfies Record<
    string,
    (
      deliveries: Stream.Stream<Delivery, GatewayError>,
      handle: (delivery: Delivery) => Effect.Effect<void, string>
    ) => Effect.Effect<void, GatewayError | string>
  >

  for (const [name, program] of Object.entries(composed)) {
    it.effect(`goes to the next one when its program failed in ${name}, with another beside`, () =>
      Effect.gen(function* () {
        const { append, log, mark } = yield* arrange(1000)
        yield* Effect.forkChild(Stream.runDrain(Deliveries.payloads(log)))
        const handled = new Set<number | null>()
        let failures = 0
        const handle = ({ ack, attempts, payload }: Delivery) =>
          Effect.suspend(() => {
            if (payload.s === 7 && attempts < 3) {
              failures++
              return Effect.fail("twice")
            }
            handled.add(payload.s)
            return ack
          })
        yield* Effect.forkChild(
          Effect.retry(program(Deliveries.acknowledged(log), handle), { schedule: Schedule.spaced("1 second") })
        )
        yield* TestClock.adjust("1 millis")
        for (let s = 1; s <= 20; s++) {
          append([payload(s)])
          yield* TestClock.adjust("100 millis")
        }
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(
          [...handled].toSorted((a, b) => (a ?? 0) - (b ?? 0)),
          range(1, 20)
        )
        assert.strictEqual(failures, 2)
        assert.strictEqual(mark.value, 20)
        assert.strictEqual(log.size().payloads, 0)
      })
    )
  }

  it.effect("goes to the program that it is of, where two have failed", () =>
    Effect.gen(function* () {
      const { append, log, mark } = yield* arrange(1000)
      const seen: Record<string, Array<number | null>> = { one: [], other: [] }
      const run = (who: string, at: number, again: Duration.Input) => {
        let hasFailed = false
        const handler = ({ s }: Payload) =>
          Effect.suspend(() => {
            if (s === at && !hasFailed) {
              hasFailed = true
              return Effect.fail("once")
            }
            seen[who]?.push(s)
            return Effect.void
          })
        return Effect.forkChild(
          Effect.retry(Handlers.run({ log, flush: () => Effect.void }, undefined, handler), Schedule.spaced(again))
        )
      }
      yield* run("one", 9, "200 millis")
      yield* run("other", 5, "2 seconds")
      yield* TestClock.adjust("1 millis")
      for (let s = 1; s <= 20; s++) {
        append([payload(s)])
        yield* TestClock.adjust("100 millis")
      }
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(seen, { one: range(1, 20), other: range(1, 20) })
      assert.strictEqual(mark.value, 20)
    })
  )

  it.effect("is kept where those beside want other names, and costs them no room", () =>
    Effect.gen(function* () {
      const { append, log, mark } = yield* arrange(10)
      yield* Effect.forkChild(Stream.runDrain(dispatches(log, new Set(["Y"]))))
      yield* TestClock.adjust("1 millis")
      const stuck = yield* Effect.forkChild(Stream.runForEach(dispatches(log, new Set(["X"])), () => Effect.never))
      yield* TestClock.adjust("1 millis")
      append([payload(1)])
      yield* TestClock.adjust("1 millis")
      yield* Fiber.interrupt(stuck)
      for (let s = 2; s <= 40; s++) {
        append([{ ...payload(s), t: s % 2 === 0 ? "X" : "Y" }])
        yield* TestClock.adjust("100 millis")
      }
      assert.strictEqual(log.size().payloads, 1)
      assert.strictEqual(mark.value, 0)
      const seen: Array<number | null> = []
      yield* Effect.forkChild(
        Stream.runForEach(dispatches(log, new Set(["X"])), ({ s }) => Effect.sync(() => seen.push(s)))
      )
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(seen, [1])
      assert.strictEqual(mark.value, 40)
    })
  )

  const named = (t: string, s: number): Payload => ({ ...payload(s), t })

  /** Handles X, and fails with the first payload of this number, once; `seen` has those that it was handed. */
  const failsOnce = (
    log: DeliveryLog,
    at: number,
    seen: Array<number | null>,
    latch: Latch.Latch = Latch.makeUnsafe(true)
  ) => {
    let hasFailed = false
    return Effect.suspend(() =>
      // The handler is made anew each time, so only the names tell that the program is the same.
      Handlers.run({ log, flush: () => Effect.void }, new Set(["X"]), ({ s }) =>
        Effect.suspend(() => {
          seen.push(s)
          if (s !== at || hasFailed) return Effect.void
          hasFailed = true
          return Effect.andThen(latch.await, Effect.fail("once"))
        })
      )
    )
  }

  it.effect("is of the names that it wanted, though more had waited for the first subscriber", () =>
    Effect.gen(function* () {
      const { abandoned, append, log, mark } = yield* arrange(1000)
      append([named("Y", 1), named("X", 2), named("X", 3)])
      append([named("X", 4), named("Y", 5)])
      const seen: Array<number | null> = []
      const latch = yield* Latch.make(false)
      const program = failsOnce(log, 2, seen, latch)
      const failing = yield* Effect.forkChild(Effect.exit(program))
      yield* TestClock.adjust("1 millis")
      yield* Effect.forkChild(Stream.runDrain(dispatches(log, new Set(["Y"]))))
      yield* TestClock.adjust("1 millis")
      yield* latch.open
      yield* Fiber.join(failing)
      append([named("X", 6)])
      yield* Effect.forkChild(program)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(seen, [2, 2, 3, 4, 6])
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(abandoned, [])
      assert.strictEqual(mark.value, 6)
    })
  )

  it.effect("is not passed over by one that comes first and wants other names", () =>
    Effect.gen(function* () {
      const { abandoned, append, log, mark } = yield* arrange(1000)
      const seen: Array<number | null> = []
      const program = failsOnce(log, 2, seen)
      append([named("Y", 1), named("X", 2), named("Y", 3)])
      append([named("X", 4), named("Y", 5)])
      yield* Effect.exit(program)
      append([named("X", 6), named("Y", 7)])
      const others: Array<number | null> = []
      yield* Effect.forkChild(
        Stream.runForEach(dispatches(log, new Set(["Y"])), ({ s }) => Effect.sync(() => others.push(s)))
      )
      yield* TestClock.adjust("1 millis")
      append([named("X", 8), named("Y", 9)])
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(mark.value, 1)
      yield* Effect.forkChild(program)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(seen, [2, 2, 4, 6, 8])
      assert.deepStrictEqual(others, [3, 5, 7, 9])
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(abandoned, [])
      assert.strictEqual(mark.value, 9)
      assert.strictEqual(log.size().payloads, 0)
    })
  )

  it.effect("takes no room for what nobody is owed, once another one listens", () =>
    Effect.gen(function* () {
      const { append, log, mark } = yield* arrange(1000)
      const seen: Array<number | null> = []
      const program = failsOnce(log, 1, seen)
      const enough = yield* Effect.forkChild(Stream.runDrain(Stream.take(dispatches(log, new Set(["Y"])), 1)))
      const failing = yield* Effect.forkChild(Effect.exit(program))
      yield* TestClock.adjust("1 millis")
      append([named("X", 1)])
      yield* Fiber.join(failing)
      append([named("Y", 2), named("Y", 3)])
      yield* Fiber.join(enough)
      yield* Effect.forkChild(program)
      yield* TestClock.adjust("1 millis")
      for (let s = 4; s <= 40; s++) append([named("Y", s)])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(seen, [1, 1])
      assert.strictEqual(log.size().payloads, 0)
      assert.strictEqual(mark.value, 40)
    })
  )

  it.effect("goes to the next one when it had enough, however much came together", () =>
    Effect.gen(function* () {
      const { append, log } = yield* arrange(1000)
      append(Array.from({ length: 30 }, (_, n) => payload(n + 1)))
      const seen: Array<number | null> = []
      for (let n = 0; n < 30; n++) {
        yield* Stream.runForEach(Stream.take(Deliveries.payloads(log), 1), ({ s }) => Effect.sync(() => seen.push(s)))
      }
      assert.deepStrictEqual(
        seen,
        Array.from({ length: 30 }, (_, n) => n + 1)
      )
    })
  )

  it.effect("was not handed out, where it had enough of deliveries that came together", () =>
    Effect.gen(function* () {
      const { append, log, mark } = yield* arrange(1000)
      append(Array.from({ length: 30 }, (_, n) => payload(n + 1)))
      const seen: Array<readonly [number | null, number]> = []
      for (let n = 0; n < 30; n++) {
        yield* Stream.runForEach(Stream.take(Deliveries.acknowledged(log), 1), ({ ack, attempts, payload: { s } }) => {
          seen.push([s, attempts])
          return ack
        })
      }
      assert.deepStrictEqual(
        seen,
        Array.from({ length: 30 }, (_, n) => [n + 1, 1] as const)
      )
      assert.strictEqual(mark.value, 30)
    })
  )

  it.effect("holds the mark for a minute when it was interrupted beside another: the program may be ending", () =>
    Effect.gen(function* () {
      const { append, log, mark } = yield* arrange(1000)
      yield* Effect.forkChild(Stream.runDrain(Deliveries.payloads(log)))
      const slow = yield* Effect.forkChild(Stream.runForEach(Deliveries.payloads(log), () => Effect.sleep("1 hour")))
      yield* TestClock.adjust("1 millis")
      for (let s = 1; s <= 10; s++) append([payload(s)])
      yield* TestClock.adjust("1 millis")
      yield* Fiber.interrupt(slow)
      assert.strictEqual(mark.value, 0)
      assert.strictEqual(log.size().payloads, 0)
      yield* TestClock.adjust("61 seconds")
      assert.strictEqual(mark.value, 10)
    })
  )

  it.effect("is given up after a minute when it failed beside another and does not come back, which is told", () =>
    Effect.gen(function* () {
      const { abandoned, append, log, mark } = yield* arrange(1000)
      yield* Effect.forkChild(Stream.runDrain(Deliveries.payloads(log)))
      yield* Effect.forkChild(
        Effect.exit(Handlers.run({ log, flush: () => Effect.void }, undefined, () => Effect.fail("no")))
      )
      yield* TestClock.adjust("1 millis")
      append([payload(1)])
      append([payload(2)])
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(mark.value, 0)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(mark.value, 2)
      assert.deepStrictEqual(abandoned, [2])
    })
  )
})

describe("handlers", () => {
  const guild = (s: number, guild_id: string): Payload => ({ op: 0, d: { guild_id }, s, t: "MESSAGE_CREATE", shard: 0 })

  it.effect("keep the order of each guild, and handle others beside it, so many at once", () =>
    Effect.gen(function* () {
      const { append, log, mark } = yield* arrange(10_000)
      const order = new Map<string, Array<number>>()
      let [running, most] = [0, 0]
      const handler = ({ d, s }: Payload) =>
        Effect.gen(function* () {
          running++
          most = Math.max(most, running)
          const { guild_id } = d as { guild_id: string }
          yield* Effect.sleep(((s ?? 0) * 7) % 50 || 50)
          order.set(guild_id, [...(order.get(guild_id) ?? []), s ?? 0])
          running--
        })
      const start = yield* Clock.currentTimeMillis
      yield* Effect.forkChild(Handlers.run({ log, flush: () => Effect.void }, undefined, handler, { concurrency: 16 }))
      yield* TestClock.adjust("1 millis")
      const count = 5000
      let ideal = 0
      for (let s = 1; s <= count; s++) {
        append([guild(s, String(s % 200))])
        ideal += (s * 7) % 50 || 50
      }
      while (mark.value !== count) yield* TestClock.adjust("10 millis")
      const took = (yield* Clock.currentTimeMillis) - start
      assert.strictEqual(most, 16)
      assert.isAtMost(took, (1.2 * ideal) / 16)
      for (const [id, all] of order)
        assert.deepStrictEqual(
          all,
          all.toSorted((a, b) => a - b),
          id
        )
    })
  )

  it.effect("try again by a schedule, and set aside what fails nevertheless, with its cause", () =>
    Effect.gen(function* () {
      const { append, log, mark } = yield* arrange(1000)
      const letters: Array<readonly [number | null, string]> = []
      let attempts = 0
      const handler = ({ s }: Payload) =>
        Effect.suspend(() => {
          if (s !== 2) return Effect.void
          attempts++
          return Effect.fail("broken")
        })
      yield* Effect.forkChild(
        Handlers.run({ log, flush: () => Effect.void }, undefined, handler, {
          onFailure: {
            retry: Schedule.recurs(3),
            deadLetter: ({ cause, payload }) =>
              Effect.sync(() => letters.push([payload.s, String(Cause.squash(cause))]))
          }
        })
      )
      yield* TestClock.adjust("1 millis")
      append([payload(1), payload(2), payload(3)])
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(attempts, 4)
      assert.deepStrictEqual(letters, [[2, "broken"]])
      assert.strictEqual(mark.value, 3)
    })
  )

  it.effect("finish what is in hand when they are interrupted, where that is wanted, and start nothing more", () =>
    Effect.gen(function* () {
      const { append, log, mark } = yield* arrange(1000)
      const handler = () => Effect.sleep("3 seconds")
      const fiber = yield* Effect.forkChild(
        Handlers.run({ log, flush: () => Effect.void }, undefined, handler, {
          concurrency: 2,
          key: ({ s }) => s ?? 0,
          finishWithin: "5 seconds"
        })
      )
      yield* TestClock.adjust("1 millis")
      append([payload(1), payload(2), payload(3), payload(4)])
      yield* TestClock.adjust("1 second")
      const stopping = yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* TestClock.adjust("1 second")
      assert.isUndefined(stopping.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      assert.isDefined(stopping.pollUnsafe())
      assert.strictEqual(mark.value, 2)
    })
  )

  it.effect("set aside only the payload that fails again and again, not those that came with it", () =>
    Effect.gen(function* () {
      const { append, log, mark } = yield* arrange(1000)
      const letters: Array<readonly [number | null, number]> = []
      const handled: Array<number | null> = []
      const run = Handlers.run(
        { log, flush: () => Effect.void },
        undefined,
        ({ s }: Payload) => (s === 2 ? Effect.die("broken") : Effect.sync(() => handled.push(s))),
        {
          maxAttempts: 3,
          onFailure: {
            retry: Schedule.recurs(0),
            deadLetter: ({ attempts, cause, payload }) =>
              Cause.hasDies(cause) && String(Cause.squash(cause)).includes("Handed out")
                ? Effect.sync(() => letters.push([payload.s, attempts]))
                : Effect.fail("not yet")
          }
        }
      )
      yield* Effect.forkChild(Effect.retry(run, Schedule.spaced("1 second")))
      yield* TestClock.adjust("1 millis")
      append([payload(1), payload(2), payload(3), payload(4)])
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(letters, [[2, 4]])
      assert.deepStrictEqual(handled, [1, 3, 4])
      assert.strictEqual(mark.value, 4)
    })
  )

  it.effect(
    "are given nothing more of what another process has by now, though it came with what they had in hand",
    () =>
      Effect.gen(function* () {
        const { log } = yield* arrange(1000)
        const seen: Array<number | null> = []
        let isVoid = false
        const own = new LowWaterMark(null, () => undefined)
        const segment = own.append(3)
        const mark: MarkSegment = {
          progress: segment.progress,
          complete: segment.complete,
          isAtStart: segment.isAtStart,
          caution: undefined,
          source: own,
          session: undefined,
          get isVoid() {
            return isVoid
          }
        }
        yield* Effect.forkChild(
          Handlers.run({ log, flush: () => Effect.void }, undefined, ({ s }) =>
            Effect.sync(() => {
              seen.push(s)
              if (s === 2) isVoid = true
            })
          )
        )
        yield* TestClock.adjust("1 millis")
        log.append([payload(1), payload(2), payload(3)], 3, mark, 0)
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(seen, [1, 2])
        assert.strictEqual(log.size().payloads, 0)
      })
  )

  it.effect("are given alone what may have killed the processes before, and set aside the first of it in the end", () =>
    Effect.gen(function* () {
      const { append, log } = yield* arrange(1000)
      const seen: Array<number | null> = []
      let [flushed, letters] = [0, 0]
      yield* Effect.forkChild(
        Handlers.run(
          { log, flush: () => Effect.sync(() => flushed++) },
          undefined,
          ({ s }) => Effect.sync(() => seen.push(s)),
          {
            concurrency: 4,
            maxAttempts: 3,
            onFailure: { deadLetter: () => Effect.sync(() => letters++) }
          }
        )
      )
      yield* TestClock.adjust("1 millis")
      append([payload(1)], 1, 1, 3)
      append([payload(2)], 1, 2, 3)
      append([payload(3)], 1, 3, 0)
      yield* TestClock.adjust("1 millis")
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(seen, [2, 3])
      assert.strictEqual(letters, 1)
      assert.strictEqual(flushed, 2)
    })
  )
})
