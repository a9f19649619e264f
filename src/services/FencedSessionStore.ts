/**
 * A `SessionStore` for shards that move: between the machines of a cluster, or from one owner of a bot's sessions to the next.
 *
 * Unlike `SessionStore.layerPersisted` it waits for a store that does not answer, since starting without the session would cost
 * an IDENTIFY and every event since; it reads and writes the sessions of all shards of an instance together; and reading a
 * session takes the shard over, after which the store refuses what the instance before still writes.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Persistence from "effect/persistence/Persistence"
import * as Request from "effect/Request"
import * as RequestResolver from "effect/RequestResolver"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Session } from "../schema/Session.ts"
import type { ShardId } from "../schema/ShardId.ts"
import * as MonotonicTime from "./MonotonicTime.ts"
import { type Lease, usableShare } from "./ShardLease.ts"
import { SessionStore, SessionStoreError } from "./SessionStore.ts"
import {
  asideKey,
  decodeStored,
  encodeStored,
  encodeStoredIdentity,
  identityKey,
  newerVersionOf,
  unreadable,
  withIdentity
} from "./StoredSession.ts"
import * as FencedGuilds from "./FencedGuilds.ts"
import { FencedSessions, type Taken } from "./FencedSessions.ts"
import * as IdentifyStore from "./IdentifyStore.ts"
import * as ShardTotalStore from "./ShardTotalStore.ts"
import * as TimeLimit from "./TimeLimit.ts"

/** Time for which sessions are gathered into one write: at most 20 writes a second, however many shards. */
const gathering = Duration.millis(50)

/** Time limit of one attempt to read or write. */
const attemptTime = Duration.seconds(2)

const noAnswer = new Persistence.PersistenceError({ message: "no answer" })

/** Sessions taken or written by one statement. */
const batchSize = 500

/** A write was refused, because another instance has taken the shard over. */
const superseded = new SessionStoreError({ description: "another instance has taken the shard over" })

const toJson = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))
const decodeJson = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Unknown))

/** Take of a row, together with those that are asked for at the same moment. */
class Take extends Request.TaggedClass("Take")<{ readonly row: string }, Taken, Persistence.PersistenceError> {}

interface Waiting {
  readonly session: Session
  /** Epoch under which the shard was taken. */
  readonly epoch: number
  /** Milliseconds of monotonic time. */
  readonly since: number
  /** Done when this session, or a later one of the shard, is written. */
  readonly written: ReadonlyArray<Deferred.Deferred<void, SessionStoreError>>
}

const make = Effect.fnUntraced(function* (abandonAfter: Duration.Duration) {
  const sessions = yield* FencedSessions
  const scope = yield* Effect.scope
  /** Sessions to be written. */
  const waiting = new Map<string, Waiting>()
  /** Last session of each shard on this machine, in case its write fails. */
  const known = new Map<string, Session>()
  const epochs = new Map<string, number>()
  /** Ids of the sessions whose identities are stored, by shard. */
  const identified = new Map<string, string>()
  const somethingToWrite = Latch.makeUnsafe(false)

  const withinTime = TimeLimit.make(scope, attemptTime, noAnswer)

  const writeAll = Effect.gen(function* () {
    const now = yield* MonotonicTime.now
    // After this time the machine has stopped the shard, and another one may hold a later session.
    for (const [shard, { since }] of waiting) if (since < now - Duration.toMillis(abandonAfter)) waiting.delete(shard)
    const batch = [...waiting].slice(0, batchSize)
    if (batch.length === 0) return
    const stored = yield* withinTime(
      sessions.write(
        batch.map(([shard, { epoch, session }]) => ({ shard, epoch, session: toJson(encodeStored(session)) }))
      )
    )
    for (const [shard, written] of batch) {
      const outcome = stored.has(shard) ? Effect.void : Effect.fail(superseded)
      for (const done of written.written) Deferred.doneUnsafe(done, outcome)
      if (waiting.get(shard) === written) waiting.delete(shard)
    }
  })

  yield* Effect.gen(function* () {
    yield* somethingToWrite.await
    yield* Effect.sleep(gathering)
    yield* Effect.catch(writeAll, (error) =>
      Effect.andThen(Effect.logWarning(`Sessions cannot be stored: ${error.message}`), Effect.sleep("200 millis"))
    )
    if (waiting.size === 0) somethingToWrite.closeUnsafe()
  }).pipe(Effect.forever, Effect.forkScoped)

  const takes = RequestResolver.make<Take>((entries) =>
    Effect.map(sessions.take([...new Set(entries.map(({ request }) => request.row))]), (taken) => {
      for (const entry of entries) {
        const found = taken.get(entry.request.row)
        entry.completeUnsafe(found === undefined ? Exit.fail(noAnswer) : Exit.succeed(found))
      }
    })
  ).pipe(RequestResolver.batchN(batchSize))

  /** Takes a row over, under the epoch that this machine writes it with from now on. */
  const take = (row: string) =>
    withinTime(Effect.request(new Take({ row }), takes)).pipe(
      Effect.tapError((error) => Effect.logWarning(`The session cannot be read yet: ${error.message}`)),
      Effect.tapError(() => Effect.sleep("500 millis")),
      Effect.eventually,
      Effect.map(({ epoch, session }) => {
        epochs.set(row, epoch)
        return session
      })
    )

  /** Stores the identity of a new session. One that cannot be stored is no reason to keep its session waiting. */
  const storeIdentity = Effect.fnUntraced(function* (shard: string, session: Session) {
    const row = identityKey(shard)
    const epoch = epochs.get(row)
    const identity = identified.get(shard) === session.id ? Option.none() : encodeStoredIdentity(session)
    if (epoch === undefined || Option.isNone(identity)) return
    yield* withinTime(sessions.write([{ shard: row, epoch, session: toJson(identity.value) }])).pipe(
      Effect.matchEffect({
        onFailure: (error) => Effect.logWarning(`The identity cannot be stored: ${error.message}`),
        onSuccess: () => Effect.sync(() => identified.set(shard, session.id))
      }),
      Effect.annotateLogs({ shard: session.shard.id })
    )
  })

  /** Writes what is beside the sessions. */
  const save = Effect.fnUntraced(function* (row: string, stored: string) {
    if (!epochs.has(row)) yield* take(row)
    const written = yield* withinTime(sessions.write([{ shard: row, epoch: epochs.get(row) ?? 0, session: stored }]))
    if (!written.has(row)) return yield* superseded
  })

  /** Reads a session. One of a newer release is kept aside, since the next session of the shard takes its place. */
  const decodeOrKeepAside = Effect.fnUntraced(function* (key: string, stored: string) {
    const json = yield* decodeOrNull(stored)
    const session = yield* Effect.result(decodeStored(json))
    if (Result.isSuccess(session)) return Option.some(session.success)
    const aside = Option.map(newerVersionOf(json), (version) => asideKey(key, version))
    if (Option.isSome(aside)) {
      yield* Effect.mapError(
        save(aside.value, stored),
        ({ message }) => new SessionStoreError({ description: message })
      )
    }
    yield* Effect.logWarning(unreadable(session.failure.message, aside))
    return Option.none<Session>()
  })

  const store = SessionStore.of({
    get: Effect.fnUntraced(
      function* (shard) {
        const key = shard.toString()
        const [session, identity] = yield* Effect.all([take(key), take(identityKey(key))], { concurrency: 2 })
        const stored = session === undefined ? Option.none() : yield* decodeOrKeepAside(key, session)
        if (Option.isNone(stored)) return stored
        const own = known.get(key)
        if (own !== undefined && own.id === stored.value.id && own.sequence > stored.value.sequence) {
          return Option.some(own)
        }
        const whole = withIdentity(stored.value, identity === undefined ? undefined : yield* decodeOrNull(identity))
        if (whole.identity !== undefined) identified.set(key, whole.id)
        return Option.some(whole)
      },
      (effect, shard) => Effect.annotateLogs(effect, { shard: shard.id })
    ),
    set: (session) =>
      Effect.gen(function* () {
        const shard = session.shard.toString()
        const epoch = epochs.get(shard)
        if (epoch === undefined) return yield* new SessionStoreError({ description: "the shard was not taken yet" })
        known.set(shard, session)
        yield* storeIdentity(shard, session)
        const written = Deferred.makeUnsafe<void, SessionStoreError>()
        waiting.set(shard, {
          session,
          epoch,
          since: yield* MonotonicTime.now,
          written: [...(waiting.get(shard)?.written ?? []), written]
        })
        somethingToWrite.openUnsafe()
        const notWritten = Deferred.fail(written, new SessionStoreError({ description: noAnswer.message }))
        const waited = yield* Effect.forkIn(Effect.delay(notWritten, attemptTime), scope)
        yield* Effect.ensuring(Deferred.await(written), Effect.forkIn(Fiber.interrupt(waited), scope))
      }),
    remove: (shard) =>
      Effect.suspend(() => {
        waiting.delete(shard.toString())
        known.delete(shard.toString())
        const epoch = epochs.get(shard.toString())
        if (epoch === undefined) return Effect.void
        return Effect.catch(
          withinTime(sessions.write([{ shard: shard.toString(), epoch, session: undefined }])),
          (error) =>
            Effect.annotateLogs(Effect.logWarning(`The session cannot be removed: ${error.message}`), {
              shard: shard.id
            })
        )
      }),
    durable: true
  })

  const identifies: IdentifyStore.IdentifyTimes = {
    load: (shards) =>
      Effect.forEach(
        shards,
        (shard) =>
          Effect.map(take(identifiesKey(shard)), (record) =>
            record === undefined ? Option.none() : decodeIdentifies(record)
          ),
        { concurrency: 64 }
      ),
    save: (shard, record) => save(identifiesKey(shard), encodeIdentifies(record))
  }

  const total: ShardTotalStore.ShardTotal = {
    load: Effect.map(take(totalKey), (stored) => (stored === undefined ? Option.none() : decodeTotal(stored))),
    save: (shards) => save(totalKey, encodeTotal(shards))
  }
  const guilds = FencedGuilds.make(sessions, (shard) => epochs.get(shard))
  return { store, identifies, total, guilds }
})

/** The name under which the times of a shard's IDENTIFYs are beside its session. */
const identifiesKey = (shard: ShardId): string => `${shard.toString()}/identifies`
const Identifies = Schema.fromJsonString(IdentifyStore.IdentifyRecord)
const decodeIdentifies = Schema.decodeUnknownOption(Identifies)
const encodeIdentifies = Schema.encodeSync(Identifies)

/** The name under which the number of shards is beside the sessions. */
const totalKey = "total"
const Total = Schema.fromJsonString(ShardTotalStore.StoredTotal)
const decodeTotal = (stored: string) => Option.map(Schema.decodeUnknownOption(Total)(stored), ({ total }) => total)
const encodeTotal = (total: number) => Schema.encodeSync(Total)({ version: 1, total })

const decodeOrNull = (stored: string) => Effect.orElseSucceed(decodeJson(stored), () => null)

/**
 * The sessions as the owner of a shard has them, under a lease. Where a machine that is no owner any more took the shard once
 * again before it knew, the owner takes it back once its lock is confirmed.
 */
export const under = (lease: Lease, sessions: SessionStore["Service"]): SessionStore["Service"] => {
  let refusedAt: number | undefined
  const take = (shard: ShardId) => Effect.andThen(lease.held, sessions.get(shard))
  return SessionStore.of({
    ...sessions,
    get: take,
    set: (session) =>
      Effect.suspend(() => {
        if (refusedAt === undefined || !lease.isConfirmedSince(refusedAt)) return sessions.set(session)
        refusedAt = undefined
        return Effect.andThen(take(session.shard), sessions.set(session))
      }).pipe(
        Effect.tapError((error) =>
          error === superseded
            ? Effect.map(MonotonicTime.now, (now) => {
                refusedAt ??= now
              })
            : Effect.void
        )
      )
  })
}

/**
 * Keeps the sessions of the cluster in a store that all machines reach. What could not be written for
 * two thirds of the time that locks last is not written any more: by then the machine has stopped the shard.
 */
export const layer = (lockExpiration: Duration.Input): Layer.Layer<SessionStore, never, FencedSessions> =>
  Layer.effectContext(
    Effect.map(make(Duration.times(Duration.fromInputUnsafe(lockExpiration), usableShare)), ({ guilds, store }) =>
      Context.make(SessionStore, store).pipe(Context.add(FencedGuilds.FencedGuilds, guilds))
    )
  )

/** Time after which a session that could not be written is of no use to an owner: the next change brings a later one. */
const ownersPatience = Duration.seconds(10)

/** Keeps the sessions of an owner, and beside them the times of IDENTIFYs and the number of shards. */
export const layerOwned: Layer.Layer<SessionStore, never, FencedSessions> = Layer.effectContext(
  Effect.map(make(ownersPatience), ({ guilds, identifies, store, total }) =>
    Context.make(SessionStore, store).pipe(
      Context.add(FencedGuilds.FencedGuilds, guilds),
      Context.add(IdentifyStore.IdentifyStore, identifies),
      Context.add(ShardTotalStore.ShardTotalStore, total)
    )
  )
)
