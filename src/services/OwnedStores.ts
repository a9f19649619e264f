/**
 * Stores of an instance that owns its sessions by a lease: they take nothing from it once the lease has run out, since another
 * instance may have followed, whose session is the later one. That is by the clock of this instance, which may stop between the
 * question and the write; what comes late all the same is refused by a store that is fenced (`FencedSessionStore`, `SessionFile`).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FencedSessionStore from "./FencedSessionStore.ts"
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
  const fenced = FencedSessionStore.under(lease, sessions)
  return Context.make(SessionStore, {
    ...fenced,
    set: (session) => owned(fenced.set(session)),
    remove: (shard) => owned(fenced.remove(shard))
  }).pipe(
    Context.add(ShardLease, lease),
    Context.add(
      IdentifyStore,
      identifies === undefined
        ? undefined
        : {
            load: (shards) => Effect.andThen(lease.held, identifies.load(shards)),
            save: (shard, record) => owned(identifies.save(shard, record))
          }
    ),
    Context.add(
      ShardTotalStore,
      total === undefined
        ? undefined
        : { load: Effect.andThen(lease.held, total.load), save: (shards) => owned(total.save(shards)) }
    )
  )
})
