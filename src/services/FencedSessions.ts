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

/** Texts to be written beside a shard's session. */
export interface FencedTexts {
  readonly shard: string
  /** Epoch under which the writer has the shard. */
  readonly epoch: number
  /** Names of the texts, and the texts; undefined to forget one. No name is there twice. */
  readonly texts: ReadonlyArray<readonly [name: string, text: string | undefined]>
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
    /** Reads texts beside a shard's session, by their names; those that are not there are left out. */
    readonly readBeside: (
      shard: string,
      names: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyMap<string, string>, Persistence.PersistenceError>
    /** Writes texts beside a shard's session in one step, unless the epoch is not that of the shard any more: then false. */
    readonly writeBeside: (texts: FencedTexts) => Effect.Effect<boolean, Persistence.PersistenceError>
  }
>()("disruption-gateway/services/FencedSessions") {}
