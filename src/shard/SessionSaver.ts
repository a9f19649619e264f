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
  readonly patience: Duration.Duration
  /** Timeout of one call of the store. */
  readonly timeout: Duration.Duration
}

const betweenReads = Duration.seconds(1)

/** Keeps the store of one shard's session up to date. Between two changes it is nothing but this object. */
export class SessionSaver {
  private readonly parts: SaverParts
  private isLoaded = false
  private isChanged = false
  private isClosed = false
  private hasFailed = false
  /** One write at a time: two at once may come to the store in another order. */
  private readonly oneWrite = Semaphore.makeUnsafe(1)
  private writing: Fiber.Fiber<void> | undefined

  constructor(parts: SaverParts) {
    this.parts = parts
  }

  /** The session in the store; none where it cannot be read for longer than the saver is patient. */
  get load(): Effect.Effect<Option.Option<Session>> {
    const { id, patience, store } = this.parts
    return Effect.gen({ self: this }, function* () {
      const until = (yield* MonotonicTime.now) + Duration.toMillis(patience)
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

  /** There is progress to write: at once, or when the last writing is long enough ago. */
  readonly changed = (): void => {
    this.isChanged = true
    if (this.writing === undefined && !this.isClosed) this.writing = this.parts.host.fork(this.write)
  }

  /** Writes the session as it is now, and returns when that is done or has failed. */
  get flush(): Effect.Effect<void> {
    return this.oneWrite.withPermits(1)(Effect.suspend(() => this.save(this.parts.session.toStore())))
  }

  private save(session: Option.Option<Session>): Effect.Effect<void> {
    const { id, session: own, store } = this.parts
    this.isChanged = false
    if (Option.isNone(session)) return Effect.asVoid(this.attempt("removed", store.remove(id)))
    return Effect.map(this.attempt("written", store.set(session.value)), (written) => {
      if (Result.isFailure(written)) this.isChanged = true
      // Another session may have begun meanwhile.
      else if (Option.exists(own.current(), (current) => current.id === session.value.id)) {
        own.stored = session.value.sequence === 0 ? null : session.value.sequence
      }
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
   * there is nothing to write: what it has is for the next process.
   */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      // Another process may go on with the session from here.
      this.isClosed = true
      return Effect.andThen(
        this.writing === undefined ? Effect.void : Fiber.interrupt(this.writing),
        Effect.suspend(() => {
          if (!this.parts.store.durable) return this.forget
          return this.isLoaded ? this.save(this.parts.session.atClose()) : Effect.void
        })
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
      const result = yield* call.pipe(
        Effect.timeoutOrElse({
          duration: timeout,
          orElse: () =>
            Effect.fail(new SessionStoreError({ description: `no answer within ${Duration.format(timeout)}` }))
        }),
        Effect.result
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
