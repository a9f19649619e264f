/**
 * Leases of the cluster's locks: follows what the lock store confirms, and says for each lock how long that is good for.
 *
 * The store ends a lock some seconds after its owner's last refresh. The lease is shorter, and counts from the moment at which
 * the refresh was sent, so it ends before another machine can have the lock, however long this one stands still.
 */
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import type * as ClusterShardId from "effect/cluster/ShardId"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Lease, type Moment, momentOf, TimedLease, usableShare } from "../services/ShardLease.ts"

/** Gives the lease of a lock. */
export type LeaseOf = (lock: ClusterShardId.ShardId) => Lease

/** The leases of this machine's locks; undefined where locks are not shared with other machines. */
export const LockLeases: Context.Reference<LeaseOf | undefined> = Context.Reference<LeaseOf | undefined>(
  "disruption-gateway/cluster/LockLeases",
  { defaultValue: () => undefined }
)

/** The lock store, watched: its confirmations are the leases of locks that expire after this time. */
export const layer = (
  lockExpiration: Duration.Input
): Layer.Layer<RunnerStorage.RunnerStorage, never, RunnerStorage.RunnerStorage> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const storage = yield* RunnerStorage.RunnerStorage
      const time = Duration.toMillis(Duration.fromInputUnsafe(lockExpiration)) * usableShare
      const leases = new Map<string, TimedLease>()
      const leaseOf = (lock: ClusterShardId.ShardId): TimedLease => {
        const key = lock.toString()
        const known = leases.get(key)
        if (known !== undefined) return known
        const lease = new TimedLease(clock, time)
        leases.set(key, lease)
        return lease
      }
      const confirm = (locks: ReadonlyArray<ClusterShardId.ShardId>, asked: Moment) => {
        for (const lock of locks) leaseOf(lock).confirm(asked)
      }

      const watched = RunnerStorage.RunnerStorage.of({
        ...storage,
        acquire: (address, locks) =>
          Effect.suspend(() => {
            const asked = momentOf(clock)
            return Effect.tap(storage.acquire(address, locks), (acquired) =>
              Effect.sync(() => confirm(acquired, asked))
            )
          }),
        refresh: (address, locks) =>
          Effect.suspend(() => {
            const asked = momentOf(clock)
            const all = [...locks]
            return Effect.tap(storage.refresh(address, all), (refreshed) =>
              Effect.sync(() => {
                const held = new Set(refreshed.map((lock) => lock.toString()))
                for (const lock of all) if (!held.has(lock.toString())) leaseOf(lock).end()
                confirm(refreshed, asked)
              })
            )
          }),
        release: (address, lock) => {
          leaseOf(lock).end()
          return storage.release(address, lock)
        },
        releaseAll: (address) =>
          Effect.suspend(() => {
            for (const lease of leases.values()) lease.end()
            return storage.releaseAll(address)
          })
      })
      return Context.make(RunnerStorage.RunnerStorage, watched).pipe(Context.add(LockLeases, leaseOf))
    })
  )
