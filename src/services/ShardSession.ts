/**
 * The session of one shard while it runs, and the one notion of sequence: the one that we would resume from.
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
  /** The session with the sequence that we would resume from. */
  readonly current: () => Option.Option<Session>
  /** The last sequence received: what heartbeats carry. */
  readonly sequence: () => number | null
  /** Goes on with a stored session. */
  readonly restore: (session: Session) => void
  /** READY came: a new session, of which it is the first payload. */
  readonly establish: (id: string, resumeUrl: string) => void
  /** A dispatch came: its sequence counts unless it is a duplicate. */
  readonly receive: (sequence: number) => Arrival
  /** Forgets the session, and says which it was. */
  readonly drop: () => Option.Option<Session>
}

const isNew: Arrival = { _tag: "New" }
const isDuplicate: Arrival = { _tag: "Duplicate" }

/** A shard without a session. */
export const make = (shard: ShardId): ShardSession => {
  let identity: { readonly id: string; readonly resumeUrl: string } | undefined
  let sequence: number | null = null

  const current = (): Option.Option<Session> =>
    identity === undefined ? Option.none() : Option.some(new Session({ ...identity, sequence: sequence ?? 0, shard }))

  return {
    current,
    sequence: () => sequence,
    restore: (session) => {
      identity = { id: session.id, resumeUrl: session.resumeUrl }
      sequence = session.sequence
    },
    establish: (id, resumeUrl) => {
      identity = { id, resumeUrl }
      sequence = null
    },
    receive: (received) => {
      const last = sequence
      if (last !== null && received <= last) return isDuplicate
      sequence = received
      return last !== null && received > last + 1 ? { _tag: "Gap", from: last + 1, to: received - 1 } : isNew
    },
    drop: () => {
      const session = current()
      identity = undefined
      sequence = null
      return session
    }
  }
}
