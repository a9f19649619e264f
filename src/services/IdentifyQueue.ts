/**
 * Priority queue of the shards of one IDENTIFY bucket, which wait in it before they dial: one at a time, the lowest number
 * first.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** The queue of one bucket. */
export interface IdentifyQueue {
  /**
   * Waits for the turn of a shard. `onWait` is told how many are before it, if any. `release` ends the turn, as does
   * the scope's end.
   */
  readonly acquire: (
    shard: number,
    onWait: (ahead: number) => Effect.Effect<void>
  ) => Effect.Effect<{ readonly release: Effect.Effect<void> }, never, Scope.Scope>
}

interface Waiting {
  readonly shard: number
  readonly turn: Deferred.Deferred<void>
}

/** An empty queue. */
export const make = (): IdentifyQueue => {
  const waiting = new Set<Waiting>()
  let busy = false

  const callNext = () => {
    let next: Waiting | undefined
    for (const candidate of waiting) if (next === undefined || candidate.shard < next.shard) next = candidate
    busy = next !== undefined
    if (next === undefined) return
    waiting.delete(next)
    Deferred.doneUnsafe(next.turn, Effect.void)
  }

  return {
    acquire: Effect.fnUntraced(function* (shard, onWait) {
      let mine: "waiting" | "turn" | "over" = "waiting"
      const place: Waiting = { shard, turn: Deferred.makeUnsafe() }
      const end = Effect.sync(() => {
        const called = mine === "turn" || (mine === "waiting" && !waiting.delete(place))
        mine = "over"
        if (called) callNext()
      })
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          waiting.add(place)
          if (!busy) callNext()
        }),
        () => end
      )
      if (waiting.has(place)) yield* onWait(waiting.size)
      yield* Deferred.await(place.turn)
      mine = "turn"
      return { release: end }
    })
  }
}
