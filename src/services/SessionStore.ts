/**
 * Where sessions are kept between connections and, if the store outlives the process, between runs of the program.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Session } from "../schema/Session.ts"
import type { ShardId } from "../schema/ShardId.ts"

/** Keeps the session of every shard. */
export class SessionStore extends Context.Service<
  SessionStore,
  {
    /** The session to RESUME, if there is one. */
    readonly get: (shard: ShardId) => Effect.Effect<Option.Option<Session>>
    /** Keeps the shard's session, in place of the one before. */
    readonly set: (session: Session) => Effect.Effect<void>
    /** Forgets the shard's session. */
    readonly remove: (shard: ShardId) => Effect.Effect<void>
    /**
     * Whether what is kept outlives the program. Then shutting down leaves the session alive at Discord; otherwise it is
     * ended, so that the bot goes offline at once.
     */
    readonly durable: boolean
  }
>()("disruption-gateway/SessionStore") {
  /** Keeps sessions for as long as the layer lives. */
  static readonly layerMemory: Layer.Layer<SessionStore> = Layer.sync(SessionStore, () => {
    const sessions = new Map<string, Session>()
    return {
      get: (shard) => Effect.sync(() => Option.fromUndefinedOr(sessions.get(shard.toString()))),
      set: (session) => Effect.sync(() => void sessions.set(session.shard.toString(), session)),
      remove: (shard) => Effect.sync(() => void sessions.delete(shard.toString())),
      durable: false
    }
  })
}
