/**
 * Brings what a shard has handled to the store: soon, and seldom.
 *
 * A busy bot handles thousands of payloads a second, a store is written to at most once in a while. What was not written
 * yet when the process is killed comes again after the restart.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import type { Session } from "../schema/Session.ts"
import type { ShardId } from "../schema/ShardId.ts"
import type { SessionStore } from "./SessionStore.ts"
import type { ShardSession } from "./ShardSession.ts"

/** Keeps the store of one shard's session up to date. */
export interface SessionSaver {
  readonly load: Effect.Effect<Option.Option<Session>>
  /** There is something new to write. */
  readonly changed: () => void
  /** Writes when there is something new: at once, and then not before the interval is over. */
  readonly run: Effect.Effect<never>
  /** The session is gone. */
  readonly forget: Effect.Effect<void>
  /** The program ends: the last state is written, if the store outlives it. Otherwise the session has ended, too. */
  readonly close: Effect.Effect<void>
}

/** Makes the saver of a shard. */
export const make = ({
  every,
  id,
  session,
  store
}: {
  readonly id: ShardId
  readonly session: ShardSession
  readonly store: SessionStore["Service"]
  readonly every: Duration.Duration
}): SessionSaver => {
  const news = Latch.makeUnsafe(false)
  const save = Effect.suspend(() => Option.match(session.handled(), { onNone: () => Effect.void, onSome: store.set }))
  return {
    load: store.get(id),
    changed: () => news.openUnsafe(),
    run: news.await.pipe(
      Effect.andThen(news.close),
      Effect.andThen(save),
      Effect.andThen(Effect.sleep(every)),
      Effect.forever
    ),
    forget: store.remove(id),
    close: store.durable ? save : store.remove(id)
  }
}
