/**
 * Brings what a shard has handled to the store: soon, and seldom.
 *
 * A busy bot handles thousands of payloads a second, a store is written to at most once in a while. What was not written
 * yet when the process is killed comes again after the restart.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { Session } from "../schema/Session.ts"
import type { ShardId } from "../schema/ShardId.ts"
import type { SessionStore } from "../services/SessionStore.ts"
import type { ShardSession } from "./ShardSession.ts"

/** What a saver works with. */
export interface SaverParts {
  readonly id: ShardId
  readonly store: SessionStore["Service"]
  readonly session: ShardSession
  /** Not more often than this is written. */
  readonly every: Duration.Duration
  /** Runs what goes on beside the shard. */
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
}

/** Keeps the store of one shard's session up to date. Between two changes there is nothing of it but this object. */
export class SessionSaver {
  private readonly parts: SaverParts
  private isChanged = false
  private isClosed = false
  private writing: Fiber.Fiber<void> | undefined

  constructor(parts: SaverParts) {
    this.parts = parts
  }

  /** What the store has. */
  get load(): Effect.Effect<Option.Option<Session>> {
    return this.parts.store.get(this.parts.id)
  }

  /** There is something new to write: it is written at once, or when the last writing is long enough ago. */
  changed(): void {
    this.isChanged = true
    if (this.writing === undefined && !this.isClosed) this.writing = this.parts.fork(this.write)
  }

  private get save(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isChanged = false
      return Option.match(this.parts.session.toStore(), { onNone: () => Effect.void, onSome: this.parts.store.set })
    })
  }

  private get write(): Effect.Effect<void> {
    return Effect.andThen(this.save, Effect.sleep(this.parts.every)).pipe(
      Effect.repeat({ while: () => this.isChanged }),
      Effect.ensuring(
        Effect.sync(() => {
          this.writing = undefined
        })
      )
    )
  }

  /** The session is gone. */
  get forget(): Effect.Effect<void> {
    return this.parts.store.remove(this.parts.id)
  }

  /** The program ends: the last state is written, if the store outlives it. Otherwise the session has ended, too. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      // Another process may go on with the session from here.
      this.isClosed = true
      return Effect.andThen(
        this.writing === undefined ? Effect.void : Fiber.interrupt(this.writing),
        this.parts.store.durable ? this.save : this.forget
      )
    })
  }
}
