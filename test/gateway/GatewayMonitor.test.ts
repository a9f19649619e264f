import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { GatewayMonitor } from "../../src/gateway/GatewayMonitor.ts"
import { GatewaySnapshot } from "../../src/schema/GatewaySnapshot.ts"
import * as Fault from "../../src/simulator/Fault.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

const bot = (arrangement: SimulatedBot.Arrangement = {}) =>
  GatewayMonitor.layer.pipe(Layer.provideMerge(SimulatedBot.layer(arrangement)))

describe("the monitor", () => {
  it.effect("tells how many events come in a second, also those that nobody asked for", () =>
    Effect.gen(function* () {
      const { simulator } = yield* SimulatedBot.ready
      yield* TestClock.adjust("2 seconds")
      const monitor = yield* GatewayMonitor
      for (let n = 0; n < 6; n++) yield* simulator.dispatch(n < 4 ? "MESSAGE_CREATE" : "TYPING_START", {})
      yield* TestClock.adjust("1 second")
      const { history, rate, shards } = yield* monitor.snapshot
      assert.strictEqual(rate, 6)
      assert.strictEqual(shards[0]?.rate, 6)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* monitor.snapshot).rate, 0)
      assert.deepInclude(
        history.map(({ rate }) => rate),
        6
      )
    }).pipe(Effect.provide(bot({ config: { events: ["MESSAGE_CREATE"] } })))
  )

  it.effect("keeps five minutes of it, and what happened to the connections, without a session's id", () =>
    Effect.gen(function* () {
      const { gateway, simulator } = yield* SimulatedBot.ready
      const monitor = yield* GatewayMonitor
      const session = Option.getOrThrow(yield* gateway.session())
      yield* TestClock.adjust("6 minutes")
      yield* simulator.faults.inject(Fault.dial("refuse", { times: 1 }))
      yield* simulator.drop()
      yield* TestClock.adjust("500 millis")
      const during = yield* TestClock.adjust("500 millis").pipe(Effect.andThen(monitor.snapshot))
      assert.strictEqual(during.ready, 0)
      assert.strictEqual(during.shards[0]?.state, "waiting")
      assert.isString(Option.getOrThrow(during.shards[0]?.lastReason ?? Option.none()))
      yield* TestClock.adjust("10 seconds")
      const { changes, history, ready } = yield* monitor.snapshot
      assert.strictEqual(ready, 1)
      assert.isTrue(history.some(({ latency }) => Option.isSome(latency)))
      assert.strictEqual(history.length, 300)
      const texts = changes.map(({ text }) => text).join("\n")
      assert.include(texts, "Ready with the new session")
      assert.include(texts, "Disconnected")
      assert.include(texts, "Resumed session")
      assert.notInclude(texts, session.id)
    }).pipe(Effect.provide(bot()))
  )

  it.effect("takes snapshots that can be sent as JSON", () =>
    Effect.gen(function* () {
      const { simulator } = yield* SimulatedBot.ready
      const monitor = yield* GatewayMonitor
      yield* TestClock.adjust("1 minute")
      yield* simulator.drop()
      yield* TestClock.adjust("1 minute")
      const snapshot = yield* monitor.snapshot
      const json = Schema.fromJsonString(GatewaySnapshot)
      const sent = yield* Schema.encodeEffect(json)(snapshot)
      const arrived = yield* Schema.decodeEffect(json)(sent)
      assert.deepStrictEqual(
        arrived.changes.map(({ text }) => text),
        snapshot.changes.map(({ text }) => text)
      )
      assert.isTrue(Option.isSome(arrived.latency))
    }).pipe(Effect.provide(bot()))
  )

  it.effect("tells how many shards wait to identify, how long still, and what is left of the day's budget", () =>
    Effect.gen(function* () {
      const monitor = yield* GatewayMonitor
      yield* TestClock.adjust("1 second")
      const first = yield* monitor.snapshot
      assert.strictEqual(first.queue.waiting, 8)
      assert.strictEqual(Duration.toSeconds(first.queue.time), 20)
      yield* TestClock.adjust("12 seconds")
      const later = yield* monitor.snapshot
      assert.strictEqual(later.queue.waiting, 4)
      assert.strictEqual(Duration.toSeconds(later.queue.time), 10)
      assert.deepStrictEqual(
        Option.map(later.budget, ({ remaining, total }) => ({ remaining, total })),
        Option.some({ remaining: 94, total: 100 })
      )
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual((yield* monitor.snapshot).queue.waiting, 0)
    }).pipe(
      Effect.provide(
        bot({ config: { shards: 10 }, simulator: { maxConcurrency: 2, sessionStartLimit: { total: 100 } } })
      )
    )
  )

  it.effect("says the same of the day's budget as the gateway, also while Discord may not have counted all", () =>
    Effect.gen(function* () {
      const { gateway } = yield* SimulatedBot.ready
      const monitor = yield* GatewayMonitor
      for (let second = 0; second < 90; second++) {
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual((yield* monitor.snapshot).budget, yield* gateway.identifyBudget, `second ${second}`)
      }
      assert.isTrue(Option.isSome(yield* gateway.identifyBudget))
    }).pipe(Effect.provide(bot({ config: { shards: 30 } })))
  )

  it.effect("gives a slow reader the last snapshot, not all of them", () =>
    Effect.gen(function* () {
      yield* SimulatedBot.ready
      const monitor = yield* GatewayMonitor
      const seen: Array<number> = []
      yield* Effect.forkScoped(
        Stream.runForEach(monitor.snapshots, ({ at }) =>
          Effect.andThen(
            Effect.sync(() => seen.push(DateTime.toEpochMillis(at))),
            Effect.sleep("1 minute")
          )
        )
      )
      yield* TestClock.adjust("150 seconds")
      assert.strictEqual(seen.length, 3)
      assert.isAtLeast((seen[1] ?? 0) - (seen[0] ?? 0), 59_000)
    }).pipe(Effect.provide(bot()))
  )
})
