/**
 * Priority queue of one IDENTIFY bucket: shards wait in it before they dial, one has the turn, the lowest number is
 * next.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** The queue of one bucket. */
export interface IdentifyQueue {
  /**
   * Waits for the turn of a shard. `onWait` gets the number of shards in the queue, if the shard has to wait. `release`
   * or the end of the scope ends the turn.
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
      const entry: Waiting = { shard, turn: Deferred.makeUnsafe() }
      const end = Effect.sync(() => {
        const called = mine === "turn" || (mine === "waiting" && !waiting.delete(entry))
        mine = "over"
        if (called) callNext()
      })
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          waiting.add(entry)
          if (!busy) callNext()
        }),
        () => end
      )
      if (waiting.has(entry)) yield* onWait(waiting.size)
      yield* Deferred.await(entry.turn)
      mine = "turn"
      return { release: end }
    })
  }
}
