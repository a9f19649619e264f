/**
 * Opening at the first call. What cannot be opened, since its database is away, fails the call, and is tried again by the next: a
 * program that starts before its database is not ended by it.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"

/** Why it cannot be opened, in words. */
export interface OpeningFailure {
  readonly message: string
}

/** Gives what `open` makes, which one call at a time opens, and no call any more once it is open. It closes with the scope. */
export const make = Effect.fnUntraced(function* <A, R>(open: Effect.Effect<A, unknown, Scope.Scope | R>) {
  const scope = yield* Effect.scope
  const context = yield* Effect.context<R>()
  const oneAtATime = yield* Semaphore.make(1)
  let opened: { readonly value: A } | undefined
  const attempt = Effect.gen(function* () {
    if (opened !== undefined) return opened.value
    const own = yield* Scope.fork(scope)
    return yield* Effect.provideContext(open, Context.add(context, Scope.Scope, own)).pipe(
      Effect.tap((value) =>
        Effect.sync(() => {
          opened = { value }
        })
      ),
      Effect.onError((cause) => Scope.close(own, Exit.failCause(cause))),
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.interrupt
          : Effect.fail<OpeningFailure>({ message: describe(Cause.squash(cause)) })
      )
    )
  }).pipe(oneAtATime.withPermits(1))
  return Effect.suspend(() => (opened === undefined ? attempt : Effect.succeed(opened.value)))
})

const describe = (error: unknown): string =>
  error instanceof Error && error.message !== "" ? error.message : String(error)
