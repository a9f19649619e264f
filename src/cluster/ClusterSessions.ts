/**
 * The sessions of a cluster: a `SessionStore` for shards that move between machines.
 *
 * Unlike the store of one process it waits for a store that does not answer, since starting without the session would cost
 * an IDENTIFY and every event since; and it writes the sessions of all shards of a machine together.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Persistence from "effect/persistence/Persistence"
import type { Session } from "../schema/Session.ts"
import type { ShardId } from "../schema/ShardId.ts"
import * as MonotonicTime from "../services/MonotonicTime.ts"
import {
  decodeStored,
  encodeStored,
  SessionStore,
  SessionStoreError,
  sessionsStoreId
} from "../services/SessionStore.ts"

/** Time for which sessions are gathered into one write: at most 20 writes a second, however many shards. */
const gathering = Duration.millis(50)

/** Time limit of one attempt to read or write. */
const attemptTime = Duration.seconds(2)

const noAnswer = new Persistence.PersistenceError({ message: "no answer" })

/** Sessions written by one statement. */
const batchSize = 500

interface Waiting {
  readonly session: Session
  /** Milliseconds of monotonic time. */
  readonly since: number
  /** Done when this session, or a later one of the shard, is written. */
  readonly written: ReadonlyArray<Deferred.Deferred<void, SessionStoreError>>
}

const make = Effect.fnUntraced(function* (abandonAfter: Duration.Duration) {
  const backing = yield* Persistence.BackingPersistence
  const sessions = yield* backing.make(sessionsStoreId)
  const scope = yield* Effect.scope
  /** Sessions to be written. */
  const waiting = new Map<string, Waiting>()
  /** Last session of each shard on this machine, in case its write fails. */
  const known = new Map<string, Session>()
  const somethingToWrite = Latch.makeUnsafe(false)

  /**
   * Time limit that holds even where nothing can be interrupted: a statement on a connection that hangs is left to itself, and
   * the wait for it ends while a shard stops, too.
   */
  const withinTime = <A>(attempt: Effect.Effect<A, Persistence.PersistenceError>) =>
    Effect.gen(function* () {
      const answer = Deferred.makeUnsafe<A, Persistence.PersistenceError>()
      const asking = yield* Effect.forkIn(Deferred.into(attempt, answer), scope)
      const waiting = yield* Effect.forkIn(Effect.delay(Deferred.fail(answer, noAnswer), attemptTime), scope)
      return yield* Effect.ensuring(Deferred.await(answer), Effect.forkIn(Fiber.interruptAll([asking, waiting]), scope))
    })

  const writeAll = Effect.gen(function* () {
    const now = yield* MonotonicTime.now
    // After this time the machine has stopped the shard, and another one may hold a later session.
    for (const [shard, { since }] of waiting) if (since < now - Duration.toMillis(abandonAfter)) waiting.delete(shard)
    const batch = [...waiting].slice(0, batchSize)
    const [first, ...rest] = batch.map(([shard, { session }]) => [shard, encodeStored(session), undefined] as const)
    if (first === undefined) return
    yield* withinTime(sessions.setMany([first, ...rest]))
    for (const [shard, written] of batch) {
      for (const done of written.written) Deferred.doneUnsafe(done, Effect.void)
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

  const read = (shard: ShardId) =>
    withinTime(sessions.get(shard.toString())).pipe(
      Effect.tapError((error) =>
        Effect.annotateLogs(Effect.logWarning(`The session cannot be read yet: ${error.message}`), { shard: shard.id })
      ),
      Effect.tapError(() => Effect.sleep("500 millis")),
      Effect.eventually
    )

  return SessionStore.of({
    get: Effect.fnUntraced(function* (shard) {
      const value = yield* read(shard)
      const stored = value === undefined ? Option.none() : yield* decodeOrNone(shard, value)
      return Option.map(stored, (session) => {
        const own = known.get(shard.toString())
        return own !== undefined && own.id === session.id && own.sequence > session.sequence ? own : session
      })
    }),
    set: (session) =>
      Effect.gen(function* () {
        const shard = session.shard.toString()
        known.set(shard, session)
        const written = Deferred.makeUnsafe<void, SessionStoreError>()
        waiting.set(shard, {
          session,
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
        return Effect.catch(withinTime(sessions.remove(shard.toString())), (error) =>
          Effect.annotateLogs(Effect.logWarning(`The session cannot be removed: ${error.message}`), { shard: shard.id })
        )
      }),
    durable: true
  })
})

const decodeOrNone = (shard: ShardId, value: object) =>
  decodeStored(value).pipe(
    Effect.map(({ session }) => session),
    Effect.tapError((error) =>
      Effect.annotateLogs(Effect.logWarning(`The session that was stored cannot be read: ${error.message}`), {
        shard: shard.id
      })
    ),
    Effect.option
  )

/**
 * Keeps the sessions of the cluster in a store of `effect/persistence` that all machines reach. What could not be written for
 * two thirds of the time that locks last is not written any more: by then the machine has stopped the shard.
 */
export const layer = (
  lockExpiration: Duration.Input
): Layer.Layer<SessionStore, never, Persistence.BackingPersistence> =>
  Layer.effect(SessionStore, make(Duration.times(Duration.fromInputUnsafe(lockExpiration), 2 / 3)))
