/**
 * Stores of `effect/persistence` that are opened at the first call, and again after a failure.
 */
import * as Effect from "effect/Effect"
import * as Persistence from "effect/persistence/Persistence"
import type * as Scope from "effect/Scope"
import * as LateOpening from "./LateOpening.ts"

type Store = Persistence.BackingPersistenceStore

/** Makes stores that `open` opens, which close with the scope in which they are made. */
export const make = <R>(
  open: (storeId: string) => Effect.Effect<Store, unknown, Scope.Scope | R>
): Effect.Effect<Persistence.BackingPersistence["Service"], never, R> =>
  Effect.map(Effect.context<R>(), (context) =>
    Persistence.BackingPersistence.of({
      make: Effect.fnUntraced(function* (storeId) {
        const opened = Effect.mapError(
          yield* LateOpening.make(Effect.provideContext(open(storeId), context)),
          ({ message }) => new Persistence.PersistenceError({ message })
        )
        return {
          get: (key) => Effect.flatMap(opened, (store) => store.get(key)),
          getMany: (keys) => Effect.flatMap(opened, (store) => store.getMany(keys)),
          set: (key, value, ttl) => Effect.flatMap(opened, (store) => store.set(key, value, ttl)),
          setMany: (entries) => Effect.flatMap(opened, (store) => store.setMany(entries)),
          remove: (key) => Effect.flatMap(opened, (store) => store.remove(key)),
          clear: Effect.flatMap(opened, (store) => store.clear)
        }
      })
    })
  )
