/**
 * Owner and sessions in a database whose client connects when it is built, as those of Redis and PostgreSQL do: it is built at the
 * first call, and again after a failure, so that a database which is away at the start does not end the program.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Persistence from "effect/persistence/Persistence"
import { FencedSessions } from "./FencedSessions.ts"
import * as FencedSessionStore from "./FencedSessionStore.ts"
import * as LateOpening from "./LateOpening.ts"
import { OwnerStore } from "./OwnerStore.ts"
import type { SessionStore } from "./SessionStore.ts"

/** The owner, and a `SessionStore` that takes from nobody but the owner, in a database that may be away. */
export const layer = <E, R>(
  database: Layer.Layer<OwnerStore | FencedSessions, E, R>
): Layer.Layer<OwnerStore | SessionStore, never, R> =>
  FencedSessionStore.layerOwned.pipe(
    Layer.provideMerge(
      Layer.effectContext(
        Effect.map(LateOpening.make(Layer.build(Layer.fresh(database))), (opened) => {
          const owner = Effect.map(opened, (context) => Context.get(context, OwnerStore))
          const sessions = opened.pipe(
            Effect.map((context) => Context.get(context, FencedSessions)),
            Effect.mapError(({ message }) => new Persistence.PersistenceError({ message }))
          )
          return Context.make(OwnerStore, {
            claim: (claim) => Effect.flatMap(owner, (store) => store.claim(claim)),
            release: (token) => Effect.flatMap(owner, (store) => store.release(token))
          }).pipe(
            Context.add(FencedSessions, {
              take: (shards) => Effect.flatMap(sessions, (store) => store.take(shards)),
              write: (writes) => Effect.flatMap(sessions, (store) => store.write(writes)),
              readBeside: (shard, names) => Effect.flatMap(sessions, (store) => store.readBeside(shard, names)),
              writeBeside: (texts) => Effect.flatMap(sessions, (store) => store.writeBeside(texts))
            })
          )
        })
      )
    )
  )
