/**
 * Where shards of one IDENTIFY bucket wait before they dial: one at a time, the lowest number first.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** The line of one bucket. */
export interface IdentifyLine {
  /**
   * Waits for the turn of a shard. `onWait` is told how many are before it, if any. `leave` ends the turn, as does the
   * scope's end.
   */
  readonly stand: (
    shard: number,
    onWait: (ahead: number) => Effect.Effect<void>
  ) => Effect.Effect<{ readonly leave: Effect.Effect<void> }, never, Scope.Scope>
}

interface Waiting {
  readonly shard: number
  readonly turn: Deferred.Deferred<void>
}

/** An empty line. */
export const make = (): IdentifyLine => {
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
    stand: Effect.fnUntraced(function* (shard, onWait) {
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
      return { leave: end }
    })
  }
}
