import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Persistence from "effect/persistence/Persistence"
import { TestClock } from "effect/testing"
import * as ClusterSessions from "../../src/cluster/ClusterSessions.ts"
import { Session } from "../../src/schema/Session.ts"
import { ShardId } from "../../src/schema/ShardId.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"

const session = (id: number, sequence: number, name = "abc") =>
  new Session({
    id: name,
    resumeUrl: "wss://gateway-us-east1-b.discord.gg",
    sequence,
    shard: new ShardId({ id, total: 100 }),
    intents: 513,
    origin: "https://discord.com/api/v10"
  })

/** A store that can be out of reach, and counts what it is asked. */
const makeStore = () => {
  const state: { answers: "well" | "with an error" | "never"; writes: number } = { answers: "well", writes: 0 }
  const values = new Map<string, object>()
  const answer = <A>(work: () => A) =>
    Effect.suspend(() => {
      if (state.answers === "never") return Effect.never
      return state.answers === "well"
        ? Effect.sync(work)
        : Effect.fail(new Persistence.PersistenceError({ message: "out of reach" }))
    })
  const layer = Layer.succeed(Persistence.BackingPersistence, {
    make: () =>
      Effect.succeed({
        get: (key) => answer(() => values.get(key)),
        getMany: ([first, ...keys]) => answer(() => [values.get(first), ...keys.map((key) => values.get(key))]),
        set: (key, value) => answer(() => void values.set(key, value)),
        setMany: (entries) =>
          answer(() => {
            state.writes++
            for (const [key, value] of entries) values.set(key, value)
          }),
        remove: (key) => answer(() => void values.delete(key)),
        clear: answer(() => values.clear())
      })
  })
  return {
    state,
    layer: ClusterSessions.layer("6 seconds").pipe(Layer.provide(layer), Layer.provideMerge(Logger.layer([])))
  }
}

describe("the sessions of a cluster", () => {
  it.effect("are waited for while the store does not answer: without one the shard would identify", () => {
    const { layer, state } = makeStore()
    return Effect.gen(function* () {
      const store = yield* SessionStore
      const writing = yield* Effect.forkChild(store.set(session(1, 42)))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(writing)
      state.answers = "with an error"
      const reading = yield* Effect.forkChild(store.get(new ShardId({ id: 1, total: 100 })))
      yield* TestClock.adjust("10 seconds")
      state.answers = "never"
      yield* TestClock.adjust("10 seconds")
      assert.isUndefined(reading.pollUnsafe())
      state.answers = "well"
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* Fiber.join(reading), Option.some(session(1, 42)))
    }).pipe(Effect.provide(layer))
  })

  it.effect("are written together, however many shards there are", () => {
    const { layer, state } = makeStore()
    return Effect.gen(function* () {
      const store = yield* SessionStore
      const shards = Array.from({ length: 100 }, (_, id) => session(id, 7))
      const writing = yield* Effect.forkChild(Effect.forEach(shards, store.set, { concurrency: "unbounded" }))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(writing)
      assert.strictEqual(state.writes, 1)
      assert.deepStrictEqual(yield* store.get(new ShardId({ id: 99, total: 100 })), Option.some(session(99, 7)))
    }).pipe(Effect.provide(layer))
  })

  it.effect("are stored when a shard that was interrupted has stopped", () => {
    const { layer } = makeStore()
    return Effect.gen(function* () {
      const store = yield* SessionStore
      const shard = yield* Effect.forkChild(Effect.onInterrupt(Effect.never, () => store.set(session(1, 42))))
      yield* TestClock.adjust("1 second")
      const stopping = yield* Effect.forkChild(Fiber.interrupt(shard))
      yield* TestClock.adjust("1 millis")
      assert.isUndefined(stopping.pollUnsafe())
      yield* TestClock.adjust("100 millis")
      assert.isDefined(stopping.pollUnsafe())
      assert.deepStrictEqual(yield* store.get(new ShardId({ id: 1, total: 100 })), Option.some(session(1, 42)))
    }).pipe(Effect.provide(layer))
  })

  it.effect("do not hold up a shard that has to stop while the store hangs", () => {
    const { layer, state } = makeStore()
    state.answers = "never"
    return Effect.gen(function* () {
      const store = yield* SessionStore
      const writing = yield* Effect.forkChild(Effect.onInterrupt(Effect.never, () => store.set(session(1, 42))))
      yield* TestClock.adjust("1 second")
      const stopping = yield* Effect.forkChild(Fiber.interrupt(writing))
      yield* TestClock.adjust("2 seconds")
      assert.isDefined(stopping.pollUnsafe())
    }).pipe(Effect.provide(layer))
  })

  it.effect("are written after a pause of the store that is too short to lose the shard", () => {
    const { layer, state } = makeStore()
    return Effect.gen(function* () {
      const store = yield* SessionStore
      state.answers = "with an error"
      yield* Effect.forkChild(store.set(session(1, 42)))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(state.writes, 0)
      state.answers = "well"
      yield* TestClock.adjust("500 millis")
      assert.strictEqual(state.writes, 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("are not written when another machine may have the shard by then", () => {
    const { layer, state } = makeStore()
    return Effect.gen(function* () {
      const store = yield* SessionStore
      state.answers = "with an error"
      yield* Effect.forkChild(store.set(session(1, 42)))
      yield* TestClock.adjust("5 seconds")
      state.answers = "well"
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(state.writes, 0)
    }).pipe(Effect.provide(layer))
  })

  it.effect("that could not be stored are known to the machine that had them, unless another has gone on", () => {
    const { layer, state } = makeStore()
    return Effect.gen(function* () {
      const store = yield* SessionStore
      const set = (session: Session) =>
        Effect.flatMap(Effect.forkChild(Effect.exit(store.set(session))), (writing) =>
          Effect.andThen(TestClock.adjust("3 seconds"), Fiber.join(writing))
        )
      yield* set(session(1, 10))
      yield* set(session(2, 10))
      state.answers = "with an error"
      yield* set(session(1, 20))
      yield* set(session(2, 20, "of before"))
      yield* TestClock.adjust("10 seconds")
      state.answers = "well"
      assert.deepStrictEqual(yield* store.get(new ShardId({ id: 1, total: 100 })), Option.some(session(1, 20)))
      assert.deepStrictEqual(yield* store.get(new ShardId({ id: 2, total: 100 })), Option.some(session(2, 10)))
    }).pipe(Effect.provide(layer))
  })
})
