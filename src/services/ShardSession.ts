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

/** The session of a shard and how far it has come. */
export interface ShardSession {
  /** The session with the sequence that was received last. */
  readonly current: () => Option.Option<Session>
  /** The session with the sequence that was handled last. */
  readonly handled: () => Option.Option<Session>
  /** The last sequence received, and the last one handled. Null before the first. */
  readonly marks: () => { readonly received: number | null; readonly handled: number | null }
  /** Goes on with a stored session. */
  readonly restore: (session: Session) => void
  /** READY came: a new session, of which it is the first payload. */
  readonly establish: (id: string, resumeUrl: string) => void
  /** A dispatch came: its sequence counts unless it is a duplicate. */
  readonly receive: (sequence: number) => Arrival
  /** A dispatch of this shard is handled. */
  readonly handle: (sequence: number, name: string | null) => void
  /** Forgets the session, and says which it was. */
  readonly drop: () => Option.Option<Session>
}

const isNew: Arrival = { _tag: "New" }
const isDuplicate: Arrival = { _tag: "Duplicate" }

/** A shard without a session. `origin` and `intents` are what its sessions are started with. */
export const make = (
  shard: ShardId,
  { intents, origin }: { readonly intents: number; readonly origin: string }
): ShardSession => {
  let identity: { readonly id: string; readonly resumeUrl: string } | undefined
  let received: number | null = null
  let handled: number | null = null
  /** How many READYs are not handled yet: what comes before the last one is of a session that is gone. */
  let readiesAhead = 0

  const at = (sequence: number | null): Option.Option<Session> =>
    identity === undefined
      ? Option.none()
      : Option.some(new Session({ ...identity, sequence: sequence ?? 0, shard, intents, origin }))
  const current = () => at(received)

  return {
    current,
    handled: () => at(handled),
    marks: () => ({ received, handled }),
    restore: (session) => {
      identity = { id: session.id, resumeUrl: session.resumeUrl }
      received = session.sequence
      handled = session.sequence
    },
    establish: (id, resumeUrl) => {
      identity = { id, resumeUrl }
      received = null
      handled = null
      readiesAhead++
    },
    receive: (sequence) => {
      const last = received
      if (last !== null && sequence <= last) return isDuplicate
      received = sequence
      return last !== null && sequence > last + 1 ? { _tag: "Gap", from: last + 1, to: sequence - 1 } : isNew
    },
    handle: (sequence, name) => {
      if (name === "READY") readiesAhead--
      // What was dropped unseen is told after what came with it, and may lie before it.
      if (readiesAhead === 0) handled = Math.max(handled ?? 0, sequence)
    },
    drop: () => {
      const session = current()
      identity = undefined
      received = null
      handled = null
      return session
    }
  }
}
