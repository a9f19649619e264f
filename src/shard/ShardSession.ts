/**
 * The session of one shard while it runs, and how far it has come, by three sequences:
 *
 * - received: the sequence that a RESUME within this process takes, since the log holds everything behind it
 * - handled: the low-water mark, which the store is to have
 * - stored: the sequence that the store has, which is all that a heartbeat tells Discord where a store outlives the process
 */
import * as Option from "effect/Option"
import type { Identity } from "../schema/Identity.ts"
import { Session } from "../schema/Session.ts"
import type { ShardId } from "../schema/ShardId.ts"
import { Caution } from "./Caution.ts"
import { LowWaterMark, type MarkSegment } from "./LowWaterMark.ts"

/** Relation of a dispatch's sequence to those before it. */
export type Arrival =
  | { readonly _tag: "New" }
  | { readonly _tag: "Duplicate" }
  /** It is new, and the sequences `from` to `to` before it never came. */
  | { readonly _tag: "Gap"; readonly from: number; readonly to: number }

const isNew: Arrival = { _tag: "New" }
const isDuplicate: Arrival = { _tag: "Duplicate" }

/** With what a session is started, which a RESUME cannot change. */
export interface SessionStart {
  readonly intents: number
  /** Absent for none. */
  readonly capabilities?: number
  readonly origin: string
}

/** The session as Discord names it, with the identity of its READY. */
interface NamedSession {
  readonly id: string
  readonly resumeUrl: string
  readonly identity?: Identity
}

/** The session of a shard and how far it has come. */
export class ShardSession {
  private readonly shard: ShardId
  private readonly start: SessionStart
  private readonly onHandled: () => void
  private named: NamedSession | undefined
  private mark: LowWaterMark
  /** The mark at which this process has taken the session over from another. */
  private restoredAt: number | undefined
  /** Count of processes that have taken it over at this mark, this one included. */
  private starts = 0
  /** Whether the replay of a session taken over is still coming. */
  private isReplaying = false

  /** Identity of the last READY, which is that of the bot while there is no session, too. Undefined before the first. */
  identity: Identity | undefined

  /** The last sequence received. Null before the first. */
  received: number | null = null
  /** The sequence that the store has. Null where it has none. */
  stored: number | null = null

  /** A shard without a session. `start` is with what its sessions are started; `onHandled` is told when the mark moves. */
  constructor(shard: ShardId, start: SessionStart, onHandled: () => void = () => undefined) {
    this.shard = shard
    this.start = start
    this.onHandled = onHandled
    this.mark = new LowWaterMark(null, onHandled)
  }

  /** The low-water mark. Null before the first dispatch is handled. */
  get handled(): number | null {
    return this.mark.value
  }

  /** The session with the sequence that was received last. */
  current(): Option.Option<Session> {
    return this.at(this.received, {})
  }

  /** The session as the store is to have it while the process lives: a crash may follow, with payloads in hand. */
  toStore(): Option.Option<Session> {
    const { value } = this.mark
    if (value !== this.restoredAt) return this.at(value, { starts: 0 })
    const { caution } = this.mark
    return this.at(value, { starts: this.starts, ...(caution === undefined ? {} : { begun: caution.begun }) })
  }

  /** The store has the session as it was then. */
  onStored({ id, sequence }: Session): void {
    // Another session may have begun meanwhile.
    if (this.named?.id !== id) return
    this.stored = sequence === 0 ? null : sequence
    this.mark.caution?.onStored(sequence)
  }

  /**
   * The session as the store is to have it when the process ends in peace. What is left of a replay was perhaps handed out by
   * the processes before, not by this one.
   */
  atClose(): Option.Option<Session> {
    const { isCaughtUp, value } = this.mark
    if (!isCaughtUp) return this.toStore()
    if (!this.isReplaying) return this.at(value, {})
    if (value !== this.restoredAt) return this.at(value, { starts: 0 })
    const begun = this.mark.caution?.begunBefore ?? Infinity
    return this.at(value, { starts: this.starts - 1, ...(Number.isFinite(begun) ? { begun } : {}) })
  }

  private at(
    sequence: number | null,
    more: { readonly starts?: number; readonly begun?: number }
  ): Option.Option<Session> {
    return this.named === undefined
      ? Option.none()
      : Option.some(new Session({ ...this.named, ...this.start, ...more, sequence: sequence ?? 0, shard: this.shard }))
  }

  /** Goes on with a session that another process has stored. */
  restore(session: Session): void {
    const { begun, id, identity, resumeUrl, sequence, starts } = session
    this.named = { id, resumeUrl, ...(identity === undefined ? {} : { identity }) }
    this.identity = identity
    this.received = sequence
    this.stored = sequence
    this.restoredAt = sequence
    this.starts = starts === undefined ? 0 : starts + 1
    this.isReplaying = starts !== undefined
    this.mark = new LowWaterMark(
      sequence,
      this.onHandled,
      id,
      starts === undefined ? undefined : new Caution(sequence, begun)
    )
  }

  /** Count of times that earlier processes may have handed out the payloads that come now. */
  get handedOutBefore(): number {
    return this.isReplaying ? this.starts : 0
  }

  /** Resumes elsewhere: the stored URL is not to be trusted. */
  resumeAt(resumeUrl: string): void {
    if (this.named !== undefined) this.named = { ...this.named, resumeUrl }
  }

  /**
   * READY came: a new session, of which it is the first payload. The replay of a session of which nothing was handled begins
   * with READY, too, and that session goes on.
   */
  establish(id: string, resumeUrl: string, identity?: Identity): void {
    const isNew = this.named?.id !== id
    this.named = { id, resumeUrl, ...(identity === undefined ? {} : { identity }) }
    this.identity = identity
    if (isNew) this.begin()
  }

  /** The replay has ended: from now on everything is new. */
  replayed(): void {
    this.isReplaying = false
  }

  /** A dispatch came: its sequence counts unless it is a duplicate. */
  receive(sequence: number): Arrival {
    const last = this.received
    if (last !== null && sequence <= last) return isDuplicate
    this.received = sequence
    return last !== null && sequence > last + 1 ? { _tag: "Gap", from: last + 1, to: sequence - 1 } : isNew
  }

  /** A read goes into the log, with this last sequence. */
  append(last: number | null): MarkSegment {
    return this.mark.append(last)
  }

  /** Forgets the session, and says which it was. */
  drop(): Option.Option<Session> {
    const session = this.current()
    this.named = undefined
    this.begin()
    return session
  }

  private begin(): void {
    this.received = null
    this.stored = null
    this.restoredAt = undefined
    this.isReplaying = false
    // Segments of the session before move a mark that nobody reads any more.
    this.mark = new LowWaterMark(null, this.onHandled, this.named?.id)
  }
}
