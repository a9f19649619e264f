import { assert, describe, it } from "@effect/vitest"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as ClusterShardId from "effect/cluster/ShardId"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import * as LockLeases from "../../src/cluster/LockLeases.ts"
import { momentOf, permanent, TimedLease } from "../../src/services/ShardLease.ts"

const machine = RunnerAddress.make("here", 1)
const one = ClusterShardId.make("default", 1)
const two = ClusterShardId.make("default", 2)

/** A lock store that answers after a while, and may take locks away. */
const arrange = () => {
  const taken = new Set<string>()
  const state = { answersAfter: 0 }
  const answer = (locks: Iterable<ClusterShardId.ShardId>) =>
    Effect.delay(
      Effect.sync(() => [...locks].filter((lock) => !taken.has(lock.toString()))),
      state.answersAfter
    )
  const storage = Layer.effect(
    RunnerStorage.RunnerStorage,
    Effect.map(RunnerStorage.RunnerStorage, (all) => ({
      ...all,
      acquire: (_: RunnerAddress.RunnerAddress, locks: Iterable<ClusterShardId.ShardId>) => answer(locks),
      refresh: (_: RunnerAddress.RunnerAddress, locks: Iterable<ClusterShardId.ShardId>) => answer(locks)
    }))
  ).pipe(Layer.provide(RunnerStorage.layerMemory))
  return { state, taken, layer: LockLeases.layer("6 seconds").pipe(Layer.provide(storage)) }
}

const parts = Effect.gen(function* () {
  const storage = yield* RunnerStorage.RunnerStorage
  const leaseOf = yield* LockLeases.LockLeases
  const leases = (lock: ClusterShardId.ShardId) => leaseOf?.(lock) ?? permanent
  return { storage, one: leases(one), two: leases(two) }
})

describe("the lease of a lock", () => {
  it.effect(
    "begins with the lock, goes on with each refresh, and ends two thirds of the lock's time after the last",
    () => {
      const { layer } = arrange()
      return Effect.gen(function* () {
        const { one: lease, storage } = yield* parts
        assert.isFalse(lease.isHeld())
        yield* storage.acquire(machine, [one])
        yield* TestClock.adjust("3 seconds")
        assert.isTrue(lease.isHeld())
        yield* storage.refresh(machine, [one])
        yield* TestClock.adjust("3 seconds")
        assert.isTrue(lease.isHeld())
        yield* TestClock.adjust("1 second")
        assert.isFalse(lease.isHeld())
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("counts from the question, not from an answer that came late", () => {
    const { layer, state } = arrange()
    return Effect.gen(function* () {
      const { one: lease, storage } = yield* parts
      state.answersAfter = 3000
      const refreshing = yield* Effect.forkChild(storage.refresh(machine, [one]))
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(refreshing)
      assert.isTrue(lease.isHeld())
      yield* TestClock.adjust("1 second")
      assert.isFalse(lease.isHeld())
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "ends at once when a refresh says that the lock is another machine's, and those of the others go on",
    () => {
      const { layer, taken } = arrange()
      return Effect.gen(function* () {
        const { one: lost, storage, two: kept } = yield* parts
        yield* storage.acquire(machine, [one, two])
        taken.add(one.toString())
        yield* storage.refresh(machine, [one, two])
        assert.deepStrictEqual([lost.isHeld(), kept.isHeld()], [false, true])
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("ends when the machine gives its locks up", () => {
    const { layer } = arrange()
    return Effect.gen(function* () {
      const { one: first, storage, two: second } = yield* parts
      yield* storage.acquire(machine, [one, two])
      yield* storage.release(machine, one)
      assert.deepStrictEqual([first.isHeld(), second.isHeld()], [false, true])
      yield* storage.releaseAll(machine)
      assert.isFalse(second.isHeld())
    }).pipe(Effect.provide(layer))
  })

  it.effect("ends while the monotonic clock stands still, as it does when a computer sleeps", () =>
    Effect.gen(function* () {
      const real = yield* Clock.Clock
      let slept = 0
      const clock: Clock.Clock = {
        currentTimeMillisUnsafe: () => real.currentTimeMillisUnsafe() + slept,
        currentTimeMillis: real.currentTimeMillis,
        currentTimeNanosUnsafe: () => real.currentTimeNanosUnsafe(),
        currentTimeNanos: real.currentTimeNanos,
        monotonicTimeNanosUnsafe: () => real.monotonicTimeNanosUnsafe(),
        monotonicTimeNanos: real.monotonicTimeNanos,
        sleep: (duration) => real.sleep(duration)
      }
      const lease = new TimedLease(clock, 4000)
      lease.confirm(momentOf(clock))
      yield* TestClock.adjust("1 second")
      assert.isTrue(lease.isHeld())
      slept = 60_000
      assert.isFalse(lease.isHeld())
    })
  )
})
