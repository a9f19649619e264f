/**
 * The session of one shard while it runs, and how far it has come, by two marks:
 *
 * - received: the sequence that we resume from within this process, whose log holds what is not handled yet
 * - handled: the sequence to resume from after a restart, which is what a store is given
 */
import * as Option from "effect/Option"
import { Session } from "../schema/Session.ts"
import type { ShardId } from "../schema/ShardId.ts"

/** What a dispatch's sequence says about it. */
export type Arrival =
  | { readonly _tag: "New" }
  | { readonly _tag: "Duplicate" }
  /** It is new, and the sequences `from` to `to` before it never came. */
  | { readonly _tag: "Gap"; readonly from: number; readonly to: number }

const isNew: Arrival = { _tag: "New" }
const isDuplicate: Arrival = { _tag: "Duplicate" }

/** The session of a shard and how far it has come. */
export class ShardSession {
  private readonly shard: ShardId
  private readonly start: { readonly intents: number; readonly origin: string }
  private identity: { readonly id: string; readonly resumeUrl: string } | undefined
  /** How many READYs are not handled yet: what comes before the last one is of a session that is gone. */
  private readiesAhead = 0

  /** The last sequence received. Null before the first. */
  received: number | null = null
  /** The last sequence handled. Null before the first. */
  handled: number | null = null

  /** A shard without a session. `start` is what its sessions are started with. */
  constructor(shard: ShardId, start: { readonly intents: number; readonly origin: string }) {
    this.shard = shard
    this.start = start
  }

  /** The session with the sequence that was received last. */
  current(): Option.Option<Session> {
    return this.at(this.received)
  }

  /** The session with the sequence that was handled last. */
  toStore(): Option.Option<Session> {
    return this.at(this.handled)
  }

  private at(sequence: number | null): Option.Option<Session> {
    return this.identity === undefined
      ? Option.none()
      : Option.some(new Session({ ...this.identity, ...this.start, sequence: sequence ?? 0, shard: this.shard }))
  }

  /** Goes on with a stored session. */
  restore(session: Session): void {
    this.identity = { id: session.id, resumeUrl: session.resumeUrl }
    this.received = session.sequence
    this.handled = session.sequence
  }

  /** READY came: a new session, of which it is the first payload. */
  establish(id: string, resumeUrl: string): void {
    this.identity = { id, resumeUrl }
    this.received = null
    this.handled = null
    this.readiesAhead++
  }

  /** A dispatch came: its sequence counts unless it is a duplicate. */
  receive(sequence: number): Arrival {
    const last = this.received
    if (last !== null && sequence <= last) return isDuplicate
    this.received = sequence
    return last !== null && sequence > last + 1 ? { _tag: "Gap", from: last + 1, to: sequence - 1 } : isNew
  }

  /** A dispatch of this shard is handled. */
  handle(sequence: number, name: string | null): void {
    if (name === "READY") this.readiesAhead--
    // What was dropped unseen is told after what came with it, and may lie before it.
    if (this.readiesAhead === 0) this.handled = Math.max(this.handled ?? 0, sequence)
  }

  /** Forgets the session, and says which it was. */
  drop(): Option.Option<Session> {
    const session = this.current()
    this.identity = undefined
    this.received = null
    this.handled = null
    return session
  }
}
