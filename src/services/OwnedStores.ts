/**
 * Stores of an instance that owns its sessions by a lease: they take nothing from it once the lease has run out, since another
 * instance may have followed, whose session is the later one.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { IdentifyStore } from "./IdentifyStore.ts"
import { SessionStore, SessionStoreError } from "./SessionStore.ts"
import { type Lease, ShardLease } from "./ShardLease.ts"
import { ShardTotalStore } from "./ShardTotalStore.ts"

const notOwned = new SessionStoreError({ description: "this instance may not hold the sessions any more" })

/** The lease, and the stores under it; without a lease the stores as they are. */
export const contextOf = Effect.fnUntraced(function* (lease: Lease | undefined) {
  const sessions = yield* SessionStore
  if (lease === undefined) return Context.make(SessionStore, sessions)
  const identifies = yield* IdentifyStore
  const total = yield* ShardTotalStore
  const owned = <E>(write: Effect.Effect<void, E>): Effect.Effect<void, E | SessionStoreError> =>
    Effect.suspend((): Effect.Effect<void, E | SessionStoreError> => (lease.isHeld() ? write : Effect.fail(notOwned)))
  return Context.make(SessionStore, {
    ...sessions,
    set: (session) => owned(sessions.set(session)),
    remove: (shard) => owned(sessions.remove(shard))
  }).pipe(
    Context.add(ShardLease, lease),
    Context.add(
      IdentifyStore,
      identifies === undefined
        ? undefined
        : { ...identifies, save: (shard, record) => owned(identifies.save(shard, record)) }
    ),
    Context.add(
      ShardTotalStore,
      total === undefined ? undefined : { ...total, save: (shards) => owned(total.save(shards)) }
    )
  )
})
