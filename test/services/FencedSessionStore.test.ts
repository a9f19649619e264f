import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Persistence from "effect/persistence/Persistence"
import { TestClock } from "effect/testing"
import * as FencedSessionStore from "../../src/services/FencedSessionStore.ts"
import { FencedSessions, type Taken } from "../../src/services/FencedSessions.ts"
import { Identity } from "../../src/schema/Identity.ts"
import { Session } from "../../src/schema/Session.ts"
import { ShardId } from "../../src/schema/ShardId.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import { momentOf, TimedLease } from "../../src/services/ShardLease.ts"

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
  const state: { answers: "well" | "with an error" | "never"; takes: number; writes: number } = {
    answers: "well",
    takes: 0,
    writes: 0
  }
  const rows = new Map<string, Taken>()
  const answer = <A>(work: () => A) =>
    Effect.suspend(() => {
      if (state.answers === "never") return Effect.never
      return state.answers === "well"
        ? Effect.sync(work)
        : Effect.fail(new Persistence.PersistenceError({ message: "out of reach" }))
    })
  /** Sizes of what was written, in characters. */
  const sizes: Array<number> = []
  const storage = Layer.succeed(FencedSessions, {
    take: (shards) =>
      answer(() => {
        state.takes++
        return new Map(
          shards.map((shard) => {
            const before = rows.get(shard)
            const taken = { epoch: (before?.epoch ?? 0) + 1, session: before?.session }
            rows.set(shard, taken)
            return [shard, taken]
          })
        )
      }),
    write: (writes) =>
      answer(() => {
        state.writes++
        for (const { session } of writes) sizes.push(session?.length ?? 0)
        const own = writes.filter(({ epoch, shard }) => rows.get(shard)?.epoch === epoch)
        for (const { epoch, session, shard } of own) rows.set(shard, { epoch, session })
        return new Set(own.map(({ shard }) => shard))
      }),
    readBeside: () => answer(() => new Map()),
    writeBeside: () => answer(() => false)
  })
  const layer = FencedSessionStore.layer("6 seconds").pipe(Layer.provide(storage), Layer.provideMerge(Logger.layer([])))
  return { state, rows, sizes, layer, machine: Effect.map(Layer.build(Layer.fresh(layer)), Context.get(SessionStore)) }
}

const shardOf = (id: number) => new ShardId({ id, total: 100 })

describe("the sessions of a cluster", () => {
  it.effect("are waited for while the store does not answer: without one the shard would identify", () => {
    const { layer, state } = makeStore()
    return Effect.gen(function* () {
      const store = yield* SessionStore
      yield* store.get(shardOf(1))
      const writing = yield* Effect.forkChild(store.set(session(1, 42)))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(writing)
      state.answers = "with an error"
      const reading = yield* Effect.forkChild(store.get(shardOf(1)))
      yield* TestClock.adjust("10 seconds")
      state.answers = "never"
      yield* TestClock.adjust("10 seconds")
      assert.isUndefined(reading.pollUnsafe())
      state.answers = "well"
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* Fiber.join(reading), Option.some(session(1, 42)))
    }).pipe(Effect.provide(layer))
  })

  it.effect("are taken and written together, however many shards there are", () => {
    const { layer, state } = makeStore()
    return Effect.gen(function* () {
      const store = yield* SessionStore
      const shards = Array.from({ length: 100 }, (_, id) => session(id, 7))
      yield* Effect.forEach(shards, ({ shard }) => store.get(shard), { concurrency: "unbounded" })
      assert.isAtMost(state.takes, 2)
      const writing = yield* Effect.forkChild(Effect.forEach(shards, store.set, { concurrency: "unbounded" }))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(writing)
      assert.strictEqual(state.writes, 1)
      assert.deepStrictEqual(yield* store.get(shardOf(99)), Option.some(session(99, 7)))
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "come to the next machine with the identity of their READY, which is written once and not with each sequence",
    () => {
      const { machine, sizes } = makeStore()
      return Effect.gen(function* () {
        const guilds = Array.from({ length: 2500 }, (_, n) => String(1_000_000_000_000_000_000n + BigInt(n)))
        const identity = new Identity({ user: { id: "1", username: "bot" }, application: { id: "2" }, guilds })
        const at = (sequence: number) => new Session({ ...session(1, sequence), identity })
        const store = yield* machine
        yield* store.get(shardOf(1))
        for (const sequence of [1, 2, 3]) {
          const writing = yield* Effect.forkChild(store.set(at(sequence)))
          yield* TestClock.adjust("1 second")
          yield* Fiber.join(writing)
        }
        assert.isAtMost(sizes.filter((size) => size > 1000).length, 1)
        assert.deepStrictEqual(yield* (yield* machine).get(shardOf(1)), Option.some(at(3)))
      })
    }
  )

  it.effect("that a newer release has stored are refused in words", () => {
    const { layer, rows } = makeStore()
    const lines: Array<string> = []
    const logger = Logger.make<unknown, void>(({ message }) => void lines.push(String(message)))
    return Effect.gen(function* () {
      const store = yield* SessionStore
      rows.set(shardOf(1).toString(), { epoch: 1, session: '{"version":2,"session":{"id":"abc"}}' })
      assert.deepStrictEqual(yield* store.get(shardOf(1)), Option.none())
      assert.include(lines.join("\n"), "a newer release has stored it in format 2, where this one reads format 1")
    }).pipe(Effect.provide(Layer.provideMerge(Logger.layer([logger]), layer)))
  })

  it.effect("are stored when a shard that was interrupted has stopped", () => {
    const { layer } = makeStore()
    return Effect.gen(function* () {
      const store = yield* SessionStore
      yield* store.get(shardOf(1))
      const shard = yield* Effect.forkChild(Effect.onInterrupt(Effect.never, () => store.set(session(1, 42))))
      yield* TestClock.adjust("1 second")
      const stopping = yield* Effect.forkChild(Fiber.interrupt(shard))
      yield* TestClock.adjust("1 millis")
      assert.isUndefined(stopping.pollUnsafe())
      yield* TestClock.adjust("100 millis")
      assert.isDefined(stopping.pollUnsafe())
      assert.deepStrictEqual(yield* store.get(shardOf(1)), Option.some(session(1, 42)))
    }).pipe(Effect.provide(layer))
  })

  it.effect("do not hold up a shard that has to stop while the store hangs", () => {
    const { layer, state } = makeStore()
    return Effect.gen(function* () {
      const store = yield* SessionStore
      yield* store.get(shardOf(1))
      state.answers = "never"
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
      yield* store.get(shardOf(1))
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
      yield* store.get(shardOf(1))
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
      yield* store.get(shardOf(1))
      yield* store.get(shardOf(2))
      yield* set(session(1, 10))
      yield* set(session(2, 10))
      state.answers = "with an error"
      yield* set(session(1, 20))
      yield* set(session(2, 20, "of before"))
      yield* TestClock.adjust("10 seconds")
      state.answers = "well"
      assert.deepStrictEqual(yield* store.get(shardOf(1)), Option.some(session(1, 20)))
      assert.deepStrictEqual(yield* store.get(shardOf(2)), Option.some(session(2, 10)))
    }).pipe(Effect.provide(layer))
  })

  const written = (store: SessionStore["Service"], value: Session) =>
    Effect.flatMap(Effect.forkChild(Effect.exit(store.set(value))), (writing) =>
      // In steps, because the shard may have to be taken before it is written.
      Effect.andThen(Effect.repeat(TestClock.adjust("100 millis"), { times: 9 }), Fiber.join(writing))
    )

  it.effect("are not written by a machine that has lost the shard, whatever its clocks say", () => {
    const { machine } = makeStore()
    return Effect.gen(function* () {
      const before = yield* machine
      yield* before.get(shardOf(1))
      assert.isTrue(Exit.isSuccess(yield* written(before, session(1, 100))))
      const after = yield* machine
      assert.deepStrictEqual(yield* after.get(shardOf(1)), Option.some(session(1, 100)))
      assert.isTrue(Exit.isSuccess(yield* written(after, session(1, 400))))
      assert.isTrue(Exit.isFailure(yield* written(before, session(1, 120))))
      yield* before.remove(shardOf(1))
      assert.deepStrictEqual(yield* (yield* machine).get(shardOf(1)), Option.some(session(1, 400)))
    })
  })

  it.effect("are the owner's again when a machine that had lost the shard took it once more before it knew", () => {
    const { machine } = makeStore()
    return Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const lease = new TimedLease(clock, 4000)
      lease.confirm(momentOf(clock))
      const paused = yield* machine
      yield* paused.get(shardOf(1))
      const owner = FencedSessionStore.under(lease, yield* machine)
      yield* owner.get(shardOf(1))
      yield* paused.get(shardOf(1))
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isFailure(yield* written(owner, session(1, 10))))
      // As long as its lock is not confirmed since then, it may be the one that has lost it.
      assert.isTrue(Exit.isFailure(yield* written(owner, session(1, 11))))
      lease.confirm(momentOf(clock))
      assert.isTrue(Exit.isSuccess(yield* written(owner, session(1, 12))))
      assert.isTrue(Exit.isFailure(yield* written(paused, session(1, 5))))
    })
  })

  it.effect("are not taken without a lease", () => {
    const { machine } = makeStore()
    return Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const lease = new TimedLease(clock, 4000)
      const store = FencedSessionStore.under(lease, yield* machine)
      const reading = yield* Effect.forkChild(store.get(shardOf(1)))
      yield* TestClock.adjust("10 seconds")
      assert.isUndefined(reading.pollUnsafe())
      lease.confirm(momentOf(clock))
      assert.deepStrictEqual(yield* Fiber.join(reading), Option.none())
    })
  })
})
