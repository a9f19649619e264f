/**
 * Where sessions are kept between connections and, if the store outlives the process, between runs of the program.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Persistence from "effect/persistence/Persistence"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import { Session } from "../schema/Session.ts"
import type { ShardId } from "../schema/ShardId.ts"
import * as SessionFile from "./SessionFile.ts"

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

  /**
   * Keeps sessions in a store of `effect/persistence`: `Persistence.layerBackingRedis`, `layerBackingSql`,
   * `layerBackingKvs`, … What cannot be read is reported in the log and counts as no session; what cannot be written is
   * reported, and written with the next change.
   */
  static readonly layerPersisted: Layer.Layer<SessionStore, never, Persistence.BackingPersistence> = Layer.effect(
    SessionStore,
    Effect.gen(function* () {
      const backing = yield* Persistence.BackingPersistence
      const sessions = yield* backing.make(sessionsStoreId)
      return SessionStore.of({
        get: (shard) =>
          sessions.get(shard.toString()).pipe(
            Effect.flatMap((value) =>
              value === undefined ? Effect.undefined : Effect.map(decodeStored(value), ({ session }) => session)
            ),
            report("that was stored cannot be read", shard),
            Effect.map(Option.fromUndefinedOr)
          ),
        set: (session) =>
          sessions
            .set(session.shard.toString(), encodeStored(session), undefined)
            .pipe(report("cannot be stored", session.shard)),
        remove: (shard) => sessions.remove(shard.toString()).pipe(report("cannot be removed", shard)),
        durable: true
      })
    })
  )

  /** Keeps sessions in one file, which is replaced whole. The file's folder must be there. */
  static readonly layerFile = (path: string): Layer.Layer<SessionStore, PlatformError, FileSystem.FileSystem> =>
    SessionStore.layerPersisted.pipe(Layer.provide(Persistence.layerBackingKvs), Layer.provide(SessionFile.layer(path)))
}

const report = (what: string, shard: ShardId) =>
  Effect.catch((error: { readonly message: string }) =>
    Effect.logWarning(`The session ${what}: ${error.message}`).pipe(
      Effect.annotateLogs({ shard: shard.id }),
      Effect.as(undefined)
    )
  )

/** The name under which sessions are in a store. */
export const sessionsStoreId = "disruption-gateway_sessions"

/** What is in the store. Another version is not ours to understand. */
const Stored = Schema.Struct({ version: Schema.Literal(1), session: Session })
/** Reads what is in a store. */
export const decodeStored = Schema.decodeUnknownEffect(Stored)
const encode = Schema.encodeSync(Stored)
/** What a store keeps of a session. */
export const encodeStored = (session: Session): object => encode({ version: 1, session })
