/**
 * The way of one machine to the database. A request that was sent arrives, though nobody waits for its answer any more: late, where
 * the network holds it up, and behind those of others.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import type { MachineClock } from "./MachineClock.ts"

/** The way to the database. */
export interface DatabaseLink {
  /** Milliseconds one way. */
  latency: number
  /** Carries work to the database and its answer back. */
  readonly call: <A, E>(work: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** Holds what is sent, both ways, until it is mended. */
  readonly cut: () => void
  readonly mend: () => void
  /** The machine is gone: nothing that it sends from now on arrives. */
  readonly die: () => void
}

/** The network between: its time, which is no machine's, and how long it lasts. */
export interface Network {
  readonly clock: Clock.Clock
  readonly scope: Scope.Scope
}

/** Makes the way of a machine. */
export const make = (machine: MachineClock, network: Network, latency: number): DatabaseLink => {
  const whole = Latch.makeUnsafe(true)
  let isDead = false
  const travel = Effect.suspend(() => Effect.andThen(Effect.sleep(link.latency), whole.await)).pipe(
    Effect.provideService(Clock.Clock, network.clock)
  )
  const link: DatabaseLink = {
    latency,
    call: <A, E>(work: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.suspend(() => {
        if (isDead) return Effect.never
        const answer = Deferred.makeUnsafe<A, E>()
        return Effect.andThen(travel, Effect.exit(work)).pipe(
          Effect.flatMap((exit) => Effect.andThen(travel, Deferred.done(answer, exit))),
          Effect.forkIn(network.scope),
          Effect.andThen(Deferred.await(answer)),
          Effect.tap(machine.running)
        )
      }),
    cut: () => {
      if (!isDead) whole.closeUnsafe()
    },
    mend: () => whole.openUnsafe(),
    die: () => {
      isDead = true
      whole.openUnsafe()
    }
  }
  return link
}
