import { assert, describe, it } from "@effect/vitest"
import * as Runner from "effect/cluster/Runner"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import * as MonotonicTime from "../../src/services/MonotonicTime.ts"
import * as ClusterNews from "../../src/cluster/ClusterNews.ts"
import * as SqlMachines from "../../src/cluster/SqlMachines.ts"
import * as ScriptedPostgres from "./ScriptedPostgres.ts"

const machine = (port: number) =>
  Runner.make({ address: RunnerAddress.make("here", port), groups: ["default"], weight: 1 })

/** A list of machines with the milliseconds until each of them is missed. */
const arrange = Effect.gen(function* () {
  const began = yield* MonotonicTime.now
  const clock = yield* Clock.Clock
  const now = () => MonotonicTime.of(clock) - began
  const machines = new Map<number, number>([
    [1, 5000],
    [2, 5000]
  ])
  const state = { readings: 0 }
  const notifications = ScriptedPostgres.makeNotifications()
  const answer = () => {
    state.readings += 1
    return [...machines].flatMap(([port, missedAt]) =>
      missedAt > now()
        ? [{ runner: Runner.Runner.encodeSync(machine(port)), healthy: true, rest: String((missedAt - now()) / 1000) }]
        : []
    )
  }
  const client = ScriptedPostgres.client(answer, notifications)
  const news = ClusterNews.layer("cluster").pipe(Layer.provide(client))
  const list = SqlMachines.layer("cluster", "5 seconds", "500 millis").pipe(
    Layer.provide(RunnerStorage.layerMemory),
    Layer.provide(client)
  )
  return { machines, notifications, now, state, layer: Layer.provideMerge(list, news) }
})

/** The list, once the news is heard. */
const listening = Effect.andThen(TestClock.adjust(0), RunnerStorage.RunnerStorage)

const portsOf = (runners: ReadonlyArray<readonly [Runner.Runner, boolean]>) =>
  runners.map(([{ address }]) => address.port).toSorted()

describe("the list of machines", () => {
  it.effect("is read again when a machine says that it comes or leaves, and not before", () =>
    Effect.gen(function* () {
      const { layer, machines, state } = yield* arrange
      yield* Effect.gen(function* () {
        const storage = yield* listening
        assert.deepStrictEqual(portsOf(yield* storage.getRunners), [1, 2])
        const reading = yield* Effect.forkChild(storage.getRunners)
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(state.readings, 1)
        machines.delete(2)
        yield* storage.unregister(RunnerAddress.make("here", 2))
        assert.deepStrictEqual(portsOf(yield* Fiber.join(reading)), [1])
        machines.set(3, 5000)
        yield* storage.register(machine(3), true)
        assert.deepStrictEqual(portsOf(yield* storage.getRunners), [1, 3])
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("is read again at the moment at which a machine is missed", () =>
    Effect.gen(function* () {
      const { layer, machines, now, state } = yield* arrange
      machines.set(2, 1234)
      yield* Effect.gen(function* () {
        const storage = yield* listening
        yield* storage.getRunners
        const reading = yield* Effect.forkChild(storage.getRunners)
        yield* TestClock.adjust("1230 millis")
        assert.strictEqual(state.readings, 1)
        yield* TestClock.adjust("10 millis")
        assert.deepStrictEqual(portsOf(yield* Fiber.join(reading)), [1])
        assert.isBelow(now(), 1250)
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("is read at the interval while the news is not heard, and seldom while it is", () =>
    Effect.gen(function* () {
      const { layer, machines, notifications, state } = yield* arrange
      for (const port of machines.keys()) machines.set(port, 60_000)
      yield* Effect.gen(function* () {
        const storage = yield* listening
        yield* storage.getRunners
        yield* Effect.forkChild(Effect.forever(storage.getRunners))
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(state.readings, 5)
        yield* notifications.drop
        // Until it listens again, a second later.
        yield* TestClock.adjust("900 millis")
        assert.strictEqual(state.readings, 7)
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("takes a connection for deaf that has not told of a change, and listens anew", () =>
    Effect.gen(function* () {
      const { layer, machines, notifications } = yield* arrange
      for (const port of machines.keys()) machines.set(port, 60_000)
      yield* Effect.gen(function* () {
        const storage = yield* listening
        yield* storage.getRunners
        yield* Effect.forkChild(Effect.forever(storage.getRunners))
        yield* TestClock.adjust("1 second")
        machines.delete(2)
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(notifications.state.listened, 1)
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual(notifications.state.listened, 2)
      }).pipe(Effect.provide(layer))
    })
  )
})
