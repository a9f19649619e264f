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
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Session } from "../schema/Session.ts"
import type { ShardId } from "../schema/ShardId.ts"
import { failureText } from "./FailureText.ts"
import * as IdentifyStore from "./IdentifyStore.ts"
import * as LatePersistence from "./LatePersistence.ts"
import * as SessionFile from "./SessionFile.ts"
import * as ShardTotalStore from "./ShardTotalStore.ts"
import * as StoredSession from "./StoredSession.ts"
import { named } from "./StoreName.ts"

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
   * value that is not a session is reported in the log and counts as none. The times of IDENTIFYs and the number of shards are
   * kept beside them (`IdentifyStore`, `ShardTotalStore`).
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
    // Each file is a store of its own: a layer that two files had in common would be built for one of them.
    Layer.fresh(SessionStore.layerPersisted.pipe(Layer.provide(Persistence.layerBackingKvs))).pipe(
      Layer.provide(SessionFile.layer(path))
    )
}

/** Sessions, with the times of IDENTIFYs and the number of shards beside them. */
const persisted = Effect.fnUntraced(function* (backing: Persistence.BackingPersistence["Service"]) {
  const sessions = yield* backing.make(sessionsStoreId)
  /** Ids of the sessions whose identities the store has, by shard. */
  const identified = new Map<string, string>()

  const read = (key: string) =>
    sessions.get(key).pipe(
      // Text that is no JSON will not become better, either.
      Effect.catchIf(
        ({ cause }) => cause instanceof SyntaxError,
        ({ message }) => Effect.succeed({ message })
      )
    )

  /** A value that is none of ours, or of a newer release, will not become better: it counts as no session. */
  const decodeOrForget = Effect.fnUntraced(function* (value: unknown, key: string) {
    const session = yield* Effect.result(StoredSession.decodeStored(value))
    if (Result.isSuccess(session)) return Option.some(session.success)
    const aside = Option.map(StoredSession.newerVersionOf(value), (version) => StoredSession.asideKey(key, version))
    if (Option.isSome(aside)) yield* sessions.set(aside.value, Object(value), undefined)
    yield* Effect.logWarning(StoredSession.unreadable(session.failure.message, aside))
    return Option.none<Session>()
  })

  const store = SessionStore.of({
    get: (shard) =>
      Effect.gen(function* () {
        const key = yield* named(shard.toString())
        const value = yield* read(key)
        if (value === undefined) return Option.none()
        const session = yield* decodeOrForget(value, key)
        if (Option.isNone(session)) return session
        const whole = StoredSession.withIdentity(session.value, yield* read(StoredSession.identityKey(key)))
        if (whole.identity !== undefined) identified.set(key, whole.id)
        return Option.some(whole)
      }).pipe(Effect.mapError(unanswered), Effect.annotateLogs({ shard: shard.id })),
    set: (session) =>
      Effect.gen(function* () {
        const key = yield* named(session.shard.toString())
        const identity =
          identified.get(key) === session.id ? Option.none() : StoredSession.encodeStoredIdentity(session)
        // First the identity: a session that is there has its identity beside it.
        if (Option.isSome(identity)) {
          yield* sessions.set(StoredSession.identityKey(key), identity.value, undefined)
          identified.set(key, session.id)
        }
        yield* sessions.set(key, StoredSession.encodeStored(session), undefined)
      }).pipe(Effect.mapError(unanswered)),
    remove: (shard) =>
      Effect.flatMap(named(shard.toString()), (key) => {
        // The identity is of no use without its session; one that is left is told by its session's id.
        const hadIdentity = identified.delete(key)
        return Effect.andThen(
          sessions.remove(key),
          hadIdentity ? sessions.remove(StoredSession.identityKey(key)) : Effect.void
        )
      }).pipe(Effect.mapError(unanswered)),
    durable: true
  })
  return Context.make(SessionStore, store).pipe(
    Context.add(IdentifyStore.IdentifyStore, yield* IdentifyStore.makePersisted(backing)),
    Context.add(ShardTotalStore.ShardTotalStore, yield* ShardTotalStore.makePersisted(backing))
  )
})

const unanswered = (error: Persistence.PersistenceError) => new SessionStoreError({ description: failureText(error) })

/** The name under which sessions are in a store. */
const sessionsStoreId = "disruption-gateway_sessions"
