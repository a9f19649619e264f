/**
 * Storage of sessions under a fencing token: each instance that takes a shard over raises the shard's epoch, and what an earlier
 * owner writes is refused, by the database and not by a clock.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Persistence from "effect/persistence/Persistence"

/** Epoch and session of a shard, as the instance finds them that takes it over. */
export interface Taken {
  /** Counts the owners of the shard. */
  readonly epoch: number
  /** The session in its stored form, as JSON; undefined where there is none. */
  readonly session: string | undefined
}

/** A session to be written. */
export interface FencedWrite {
  readonly shard: string
  /** Epoch under which the writer has the shard. */
  readonly epoch: number
  /** The stored form, as JSON; undefined to forget the session. */
  readonly session: string | undefined
}

/** Sessions, with the epochs of their owners. */
export class FencedSessions extends Context.Service<
  FencedSessions,
  {
    /** Takes shards over: raises the epoch of each and reads its session, in one step. No shard is named twice. */
    readonly take: (
      shards: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyMap<string, Taken>, Persistence.PersistenceError>
    /** Writes the sessions whose epoch is still that of their shard, and gives these shards. */
    readonly write: (
      writes: ReadonlyArray<FencedWrite>
    ) => Effect.Effect<ReadonlySet<string>, Persistence.PersistenceError>
  }
>()("disruption-gateway/services/FencedSessions") {}
