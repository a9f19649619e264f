/**
 * Stores of `effect/persistence` that are opened at the first call. One that cannot be opened, since its database is away,
 * fails the call, and is tried again by the next: a program that starts before its database is not ended by it.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Persistence from "effect/persistence/Persistence"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"

type Store = Persistence.BackingPersistenceStore

/** Makes stores that `open` opens, which close with the scope in which they are made. */
export const make = <R>(
  open: (storeId: string) => Effect.Effect<Store, unknown, Scope.Scope | R>
): Effect.Effect<Persistence.BackingPersistence["Service"], never, R> =>
  Effect.map(Effect.context<R>(), (context) =>
    Persistence.BackingPersistence.of({
      make: Effect.fnUntraced(function* (storeId) {
        const opened = yield* once(Effect.provideContext(open(storeId), context))
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

/** The store, which one call at a time opens, and no call any more once it is open. */
const once = Effect.fnUntraced(function* (open: Effect.Effect<Store, unknown, Scope.Scope>) {
  const scope = yield* Effect.scope
  const oneAtATime = yield* Semaphore.make(1)
  let opened: Store | undefined
  const attempt = Effect.gen(function* () {
    if (opened !== undefined) return opened
    const own = yield* Scope.fork(scope)
    return yield* Scope.provide(open, own).pipe(
      Effect.map((store) => (opened = store)),
      Effect.onError((cause) => Scope.close(own, Exit.failCause(cause))),
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.interrupt
          : Effect.fail(new Persistence.PersistenceError({ message: describe(Cause.squash(cause)) }))
      )
    )
  }).pipe(oneAtATime.withPermits(1))
  return Effect.suspend(() => (opened === undefined ? attempt : Effect.succeed(opened)))
})

const describe = (error: unknown): string =>
  error instanceof Error && error.message !== "" ? error.message : String(error)
