/**
 * Write-behind of a shard's session: soon, and seldom. A busy bot handles thousands of payloads a second; a store is written
 * to at most once in a while. Unwritten progress of a process that is killed comes again after the restart.
 *
 * Every wait for a store ends. A read that fails is tried again for a while, a write with the next change.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import { durationText } from "../schema/DurationText.ts"
import type { Session } from "../schema/Session.ts"
import { ShardEvent } from "../schema/ShardEvent.ts"
import type { ShardId } from "../schema/ShardId.ts"
import * as MonotonicTime from "../services/MonotonicTime.ts"
import { type SessionStore, SessionStoreError } from "../services/SessionStore.ts"
import type { ShardHost } from "./ShardHost.ts"
import type { ShardSession } from "./ShardSession.ts"

/** The parts that a saver works with. */
export interface SaverParts {
  readonly id: ShardId
  readonly store: SessionStore["Service"]
  readonly session: ShardSession
  readonly host: Pick<ShardHost, "announce" | "fork">
  /** The least time between two writes. */
  readonly every: Duration.Duration
  /** Time for which a read that fails is tried again, before the session counts as none. */
  readonly readFor: Duration.Duration
  /** Timeout of one call of the store. */
  readonly timeout: Duration.Duration
}

const betweenReads = Duration.seconds(1)

/** Write-behind of one shard's session. Between two changes it has no fiber. */
export class SessionSaver {
  private readonly parts: SaverParts
  private isLoaded = false
  private isChanged = false
  private isClosed = false
  private hasFailed = false
  /** A call of the store is on its way. */
  private isCalling = false
  /** The last call of the store got no answer. */
  private isHanging = false
  /** One write at a time: two at once may come to the store in another order. */
  private readonly oneWrite = Semaphore.makeUnsafe(1)
  private writing: Fiber.Fiber<void> | undefined

  constructor(parts: SaverParts) {
    this.parts = parts
  }

  /** The session in the store; none where it cannot be read within `readFor`. */
  get load(): Effect.Effect<Option.Option<Session>> {
    const { id, readFor, store } = this.parts
    return Effect.gen({ self: this }, function* () {
      const until = (yield* MonotonicTime.now) + Duration.toMillis(readFor)
      while (true) {
        const read = yield* this.attempt("read", store.get(id))
        if (Result.isSuccess(read)) return read.success
        if ((yield* MonotonicTime.now) >= until) return Option.none()
        yield* Effect.sleep(betweenReads)
      }
    }).pipe(
      Effect.tap(() =>
        Effect.sync(() => {
          this.isLoaded = true
        })
      )
    )
  }

  /** Schedules a write: at once, or `every` after the last one. */
  readonly changed = (): void => {
    this.isChanged = true
    if (this.writing === undefined && !this.isClosed) this.writing = this.parts.host.fork(this.write)
  }

  /** A session has begun. It is written at once, however short the last writing is ago: losing it costs an IDENTIFY. */
  readonly begun = (): void => {
    if (this.writing === undefined) this.changed()
    else if (!this.isClosed) this.parts.host.fork(this.flush)
  }

  /** Writes the session as it is now, and returns when that is done or has failed. */
  get flush(): Effect.Effect<void> {
    return this.oneWrite.withPermits(1)(
      Effect.suspend(() => (this.isClosed ? Effect.void : this.save(this.parts.session.toStore())))
    )
  }

  private save(session: Option.Option<Session>): Effect.Effect<void> {
    const { id, session: own, store } = this.parts
    this.isChanged = false
    if (Option.isNone(session)) return Effect.asVoid(this.attempt("removed", store.remove(id)))
    return Effect.map(this.attempt("written", store.set(session.value)), (written) => {
      if (Result.isFailure(written)) this.isChanged = true
      else own.onStored(session.value)
    })
  }

  private get write(): Effect.Effect<void> {
    return Effect.andThen(this.flush, Effect.sleep(this.parts.every)).pipe(
      Effect.repeat({ while: () => this.isChanged }),
      Effect.ensuring(
        Effect.sync(() => {
          this.writing = undefined
        })
      )
    )
  }

  /** Removes the session of a shard that is of no use any more. */
  get forget(): Effect.Effect<void> {
    return Effect.asVoid(this.attempt("removed", this.parts.store.remove(this.parts.id)))
  }

  /**
   * Writes the last state, if the store outlives the program; otherwise the session has ended, too. Before the store was read
   * there is nothing to write: what it has is for the next process. A write on its way is waited for, since it could come to
   * the store after the last one; where that gets no answer, the last one would not, either.
   */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      // Another process may go on with the session from here.
      this.isClosed = true
      const { isCalling } = this
      const writeLast = Effect.suspend(() => {
        if (!this.parts.store.durable) return this.forget
        const isFutile = !this.isLoaded || (isCalling && this.isHanging)
        return isFutile ? Effect.void : this.save(this.parts.session.atClose())
      })
      return this.oneWrite.withPermits(1)(
        Effect.andThen(
          Effect.suspend(() => (this.writing === undefined ? Effect.void : Fiber.interrupt(this.writing))),
          writeLast
        )
      )
    })
  }

  /** One call of the store, which ends in any case; a failure and the first success after it are announced. */
  private attempt<A>(
    what: "read" | "written" | "removed",
    call: Effect.Effect<A, SessionStoreError>
  ): Effect.Effect<Result.Result<A, SessionStoreError>> {
    const { host, id, timeout } = this.parts
    return Effect.gen({ self: this }, function* () {
      this.isCalling = true
      this.isHanging = false
      const result = yield* call.pipe(
        Effect.timeoutOrElse({
          duration: timeout,
          orElse: () => {
            this.isHanging = true
            return Effect.fail(new SessionStoreError({ description: `no answer within ${durationText(timeout)}` }))
          }
        }),
        Effect.result,
        Effect.ensuring(
          Effect.sync(() => {
            this.isCalling = false
          })
        )
      )
      if (Result.isFailure(result)) {
        const { message: description } = result.failure
        if (!this.hasFailed) {
          yield* host.announce((at) => ShardEvent.StoreFailed({ shard: id.id, at, what, description }))
        }
        this.hasFailed = true
      } else if (this.hasFailed) {
        this.hasFailed = false
        yield* host.announce((at) => ShardEvent.StoreRecovered({ shard: id.id, at }))
      }
      return result
    })
  }
}
