import { assert, describe, it } from "@effect/vitest"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as ClusterShardId from "effect/cluster/ShardId"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import * as MonotonicTime from "../../src/services/MonotonicTime.ts"
import * as ClusterNews from "../../src/cluster/ClusterNews.ts"
import * as SqlLocks from "../../src/cluster/SqlLocks.ts"
import * as ScriptedPostgres from "./ScriptedPostgres.ts"

const here = RunnerAddress.make("here", 1)
const locks = [1, 2, 3].map((id) => ClusterShardId.make("default", id))

/** A table of locks: those of another machine end at a time, in milliseconds. */
const arrange = Effect.gen(function* () {
  const began = yield* MonotonicTime.now
  const clock = yield* Clock.Clock
  const now = () => MonotonicTime.of(clock) - began
  const others = new Map<string, number>()
  const state = { questions: 0 }
  const notifications = ScriptedPostgres.makeNotifications()
  const answer: ScriptedPostgres.Answer = (statement, parameters) => {
    if (!statement.includes("requested")) return []
    state.questions += 1
    const requested: ReadonlyArray<string> = JSON.parse(String(parameters[0]))
    const held = requested.flatMap((lock) => {
      const rest = (others.get(lock) ?? 0) - now()
      return rest >= 0 && others.has(lock) ? [{ lock, rest }] : []
    })
    const taken = requested.filter((lock) => !held.some((other) => other.lock === lock))
    for (const lock of taken) others.delete(lock)
    const rest = held.length === 0 ? null : Math.min(...held.map((other) => other.rest)) / 1000
    return [...taken.map((lock) => ({ shard_id: lock, rest: null })), { shard_id: null, rest }]
  }
  const client = ScriptedPostgres.client(answer, notifications)
  const news = ClusterNews.layer("cluster").pipe(Layer.provide(client))
  const store = SqlLocks.layer("cluster", "5 seconds").pipe(
    Layer.provide(RunnerStorage.layerMemory),
    Layer.provide(client)
  )
  return { others, now, state, layer: Layer.provideMerge(store, news) }
})

const idsOf = (taken: ReadonlyArray<ClusterShardId.ShardId>) => taken.map(({ id }) => id).toSorted()

describe("the locks of another machine", () => {
  it.effect("are taken at the moment at which they end, by one question more", () =>
    Effect.gen(function* () {
      const { layer, now, others, state } = yield* arrange
      for (const lock of locks) others.set(lock.toString(), 321)
      yield* Effect.gen(function* () {
        const storage = yield* RunnerStorage.RunnerStorage
        const taking = yield* Effect.forkChild(storage.acquire(here, locks))
        yield* TestClock.adjust("320 millis")
        assert.isUndefined(taking.pollUnsafe())
        yield* TestClock.adjust("10 millis")
        assert.deepStrictEqual(idsOf(yield* Fiber.join(taking)), [1, 2, 3])
        assert.deepStrictEqual([state.questions, now()], [2, 330])
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("are taken when they are given up, all together", () =>
    Effect.gen(function* () {
      const { layer, others } = yield* arrange
      for (const lock of locks.slice(1)) others.set(lock.toString(), 4000)
      yield* Effect.gen(function* () {
        const storage = yield* RunnerStorage.RunnerStorage
        const { locks: released } = yield* ClusterNews.ClusterNews
        const taking = yield* Effect.forkChild(storage.acquire(here, locks))
        yield* TestClock.adjust("100 millis")
        others.delete("default:2")
        yield* released.tell
        yield* TestClock.adjust("100 millis")
        assert.isUndefined(taking.pollUnsafe())
        others.delete("default:3")
        yield* released.tell
        assert.deepStrictEqual(idsOf(yield* Fiber.join(taking)), [1, 2, 3])
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("do not keep those waiting for long that the machine has", () =>
    Effect.gen(function* () {
      const { layer, others } = yield* arrange
      others.set("default:3", 4000)
      yield* Effect.gen(function* () {
        const storage = yield* RunnerStorage.RunnerStorage
        const taking = yield* Effect.forkChild(storage.acquire(here, locks))
        yield* TestClock.adjust("500 millis")
        assert.deepStrictEqual(idsOf(yield* Fiber.join(taking)), [1, 2])
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("are not waited for until the engine, which would not know of them, asks anew", () =>
    Effect.gen(function* () {
      const { layer, others } = yield* arrange
      for (const lock of locks) others.set(lock.toString(), 4000)
      yield* Effect.gen(function* () {
        const storage = yield* RunnerStorage.RunnerStorage
        const taking = yield* Effect.forkChild(storage.acquire(here, locks))
        // The engine waits for 1.67 s.
        yield* TestClock.adjust("1400 millis")
        assert.deepStrictEqual(yield* Fiber.join(taking), [])
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("are not taken any more once the machines are others, and with them whose locks they are", () =>
    Effect.gen(function* () {
      const { layer, others, state } = yield* arrange
      for (const lock of locks) others.set(lock.toString(), 4000)
      yield* Effect.gen(function* () {
        const storage = yield* RunnerStorage.RunnerStorage
        const { machines } = yield* ClusterNews.ClusterNews
        const taking = yield* Effect.forkChild(storage.acquire(here, locks))
        yield* TestClock.adjust("100 millis")
        others.clear()
        yield* machines.tell
        assert.deepStrictEqual(yield* Fiber.join(taking), [])
        assert.strictEqual(state.questions, 1)
      }).pipe(Effect.provide(layer))
    })
  )
})
