/**
 * Time limit that holds even where nothing can be interrupted: a statement on a connection that hangs is left to itself, and
 * the wait for it ends while a shard stops, too.
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

/** Gives an attempt this time, and fails so after it. What is left to itself ends with the scope. */
export const make =
  <E>(scope: Scope.Scope, time: Duration.Input, late: E) =>
  <A, E2>(attempt: Effect.Effect<A, E2>): Effect.Effect<A, E | E2> =>
    Effect.gen(function* () {
      const answer = Deferred.makeUnsafe<A, E | E2>()
      const asking = yield* Effect.forkIn(Deferred.into(attempt, answer), scope)
      const waiting = yield* Effect.forkIn(Effect.delay(Deferred.fail(answer, late), time), scope)
      return yield* Effect.ensuring(Deferred.await(answer), Effect.forkIn(Fiber.interruptAll([asking, waiting]), scope))
    })
