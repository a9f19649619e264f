/**
 * Opening at the first call. What cannot be opened, since its database is away, fails the call, and is tried again by the next: a
 * program that starts before its database is not ended by it.
 *
 * There is one attempt at a time, which goes on when nobody waits for it any more: clients of databases cannot be told to give a
 * connection up that hangs, so attempts that are given up would pile up.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { failureText } from "./FailureText.ts"

/** Why it cannot be opened, in words. */
export interface OpeningFailure {
  readonly message: string
}

/** Gives what `open` makes, which the first call opens, and the next one after a failure. It closes with the scope. */
export const make = Effect.fnUntraced(function* <A, R>(open: Effect.Effect<A, unknown, Scope.Scope | R>) {
  const scope = yield* Effect.scope
  const context = yield* Effect.context<R>()
  let opening: Deferred.Deferred<A, OpeningFailure> | undefined

  const attempt = (result: Deferred.Deferred<A, OpeningFailure>) =>
    Effect.gen(function* () {
      const own = yield* Scope.make()
      const exit = yield* Effect.exit(Effect.provideContext(open, Context.add(context, Scope.Scope, own))).pipe(
        Effect.onInterrupt(() => Effect.forkDetach(Scope.close(own, Exit.void)))
      )
      if (Exit.isSuccess(exit)) {
        yield* Scope.addFinalizerExit(scope, (end) => Scope.close(own, end))
        return yield* Deferred.succeed(result, exit.value)
      }
      opening = undefined
      yield* Effect.forkDetach(Scope.close(own, exit))
      return yield* Deferred.fail(result, { message: failureText(Cause.squash(exit.cause)) })
    })

  return Effect.suspend(() => {
    if (opening !== undefined) return Deferred.await(opening)
    const result = Deferred.makeUnsafe<A, OpeningFailure>()
    opening = result
    return Effect.andThen(Effect.forkIn(attempt(result), scope, { startImmediately: true }), Deferred.await(result))
  })
})
