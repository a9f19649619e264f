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
import * as IdentifyStore from "./IdentifyStore.ts"
import * as LatePersistence from "./LatePersistence.ts"
import * as SessionFile from "./SessionFile.ts"

/**
 * A store that cannot do what it is asked. The shard tries again: a read for a while, a write with the next change.
 *
 * @since 0.1.0
 * @category errors
 */
export class SessionStoreError extends Schema.TaggedError<SessionStoreError>("disruption-gateway/SessionStoreError")(
  "SessionStoreError",
  { description: Schema.String }
) {
  override get message() {
    return this.description
  }
}

/**
 * Keeps the session of every shard.
 *
 * @since 0.1.0
 * @category services
 */
export class SessionStore extends Context.Service<
  SessionStore,
  {
    /** The session to RESUME, if there is one. */
    readonly get: (shard: ShardId) => Effect.Effect<Option.Option<Session>, SessionStoreError>
    /** Keeps the shard's session, in place of the one before. Has it when it returns: heartbeats rely on that. */
    readonly set: (session: Session) => Effect.Effect<void, SessionStoreError>
    /** Forgets the shard's session. */
    readonly remove: (shard: ShardId) => Effect.Effect<void, SessionStoreError>
    /**
     * Whether what is kept outlives the program. Then shutting down leaves the session alive at Discord; otherwise it is
     * ended, so that the bot goes offline at once.
     */
    readonly durable: boolean
  }
>()("disruption-gateway/services/SessionStore") {
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
   * `layerBackingKvs`, … It is opened at the first call, so that one which is away at the start does not end the program. A
   * value that is not a session is reported in the log and counts as none. The times of IDENTIFYs are kept beside them
   * (`IdentifyStore`).
   */
  static readonly layerPersisted: Layer.Layer<SessionStore, never, Persistence.BackingPersistence> =
    Layer.effectContext(
      Effect.flatMap(Persistence.BackingPersistence, ({ make }) =>
        Effect.flatMap(LatePersistence.make(make), persisted)
      )
    )

  /**
   * The same with a store whose client connects when its layer is built, as those of Redis and PostgreSQL do: it is built at
   * the first call, and again after a failure, so that a database which is away at the start does not end the program.
   *
   * ```ts
   * SessionStore.layerPersistedFrom(
   *   Persistence.layerBackingRedis.pipe(Layer.provide(NodeRedis.layer({ url: "redis://127.0.0.1:6379" })))
   * )
   * ```
   */
  static readonly layerPersistedFrom = <E, R>(
    backing: Layer.Layer<Persistence.BackingPersistence, E, R>
  ): Layer.Layer<SessionStore, never, R> =>
    Layer.effectContext(
      LatePersistence.make((storeId) =>
        Effect.flatMap(Layer.build(Layer.fresh(backing)), (built) =>
          Context.get(built, Persistence.BackingPersistence).make(storeId)
        )
      ).pipe(Effect.flatMap(persisted))
    )

  /** Keeps sessions in one file, which is replaced whole. The file's folder must be there. */
  static readonly layerFile = (path: string): Layer.Layer<SessionStore, PlatformError, FileSystem.FileSystem> =>
    SessionStore.layerPersisted.pipe(Layer.provide(Persistence.layerBackingKvs), Layer.provide(SessionFile.layer(path)))
}

/** Sessions, and the times of IDENTIFYs beside them. */
const persisted = Effect.fnUntraced(function* (backing: Persistence.BackingPersistence["Service"]) {
  const sessions = yield* backing.make(sessionsStoreId)
  const store = SessionStore.of({
    get: (shard) =>
      sessions.get(shard.toString()).pipe(
        // Text that is no JSON will not become better, either.
        Effect.catchIf(
          ({ cause }) => cause instanceof SyntaxError,
          ({ message }) => Effect.succeed({ message })
        ),
        Effect.mapError(unanswered),
        Effect.flatMap((value) => (value === undefined ? Effect.succeedNone : decodeOrForget(value, shard)))
      ),
    set: (session) =>
      Effect.mapError(sessions.set(session.shard.toString(), encodeStored(session), undefined), unanswered),
    remove: (shard) => Effect.mapError(sessions.remove(shard.toString()), unanswered),
    durable: true
  })
  return Context.make(SessionStore, store).pipe(
    Context.add(IdentifyStore.IdentifyStore, yield* IdentifyStore.makePersisted(backing))
  )
})

const unanswered = ({ message }: { readonly message: string }) => new SessionStoreError({ description: message })

/** A stored value that is none of ours, or of another version, will not become better: it counts as no session. */
const decodeOrForget = (value: unknown, shard: ShardId): Effect.Effect<Option.Option<Session>> =>
  Effect.matchEffect(decodeStored(value), {
    onSuccess: ({ session }) => Effect.succeedSome(session),
    onFailure: ({ message }) =>
      Effect.logWarning(`The session that was stored cannot be read: ${message}`).pipe(
        Effect.annotateLogs({ shard: shard.id }),
        Effect.as(Option.none<Session>())
      )
  })

/** The name under which sessions are in a store. */
const sessionsStoreId = "disruption-gateway_sessions"

/** Stored form of a session. Other versions are not read. */
const Stored = Schema.Struct({ version: Schema.Literal(1), session: Session })
/** Reads what is in a store. */
export const decodeStored = Schema.decodeUnknownEffect(Stored)
const encode = Schema.encodeSync(Stored)
/** Encodes a session for a store. */
export const encodeStored = (session: Session): object => encode({ version: 1, session })
