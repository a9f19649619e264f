/**
 * Two sets of shards that see the same events, heard as one: what makes resharding seamless.
 *
 * Discord numbers events by session, so the same event has nothing in common in both sets but its content. For a while
 * around the switch each event is counted by its content in both sets, and handed on when one set has seen it more often
 * than it was handed on. Events that one set saw and the other never will are handed on, too: nothing is lost.
 */
import * as Hash from "effect/Hash"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import type { Payload } from "../schema/Payload.ts"

/** Which of the two sets. */
export type Side = "old" | "new"

/** The ears for both sets. */
export interface Resharding {
  /** What is new of a read of one set. */
  readonly hear: (side: Side, payloads: ReadonlyArray<Payload>) => ReadonlyArray<Payload>
  /** From now on what only the new set has seen is handed on. */
  readonly switchOver: () => void
}

/** Both sets are heard from now on; until the switch only the old one speaks. */
export const make = (): Resharding => {
  const counts = new Map<string, { old: number; new: number; handedOn: number }>()
  let switched = false

  const isFresh = (side: Side, payload: Payload): boolean => {
    // Of the session, not of the bot: READY, RESUMED and control payloads are of the set that speaks.
    if (payload.op !== GatewayOpcode.Dispatch || payload.t === "READY" || payload.t === "RESUMED") {
      return (side === "new") === switched
    }
    const key = keyOf(payload)
    const count = counts.get(key) ?? { old: 0, new: 0, handedOn: 0 }
    counts.set(key, count)
    count[side]++
    if (side === "new" && !switched) return false
    if (count[side] <= count.handedOn) return false
    count.handedOn++
    return true
  }

  return {
    hear: (side, payloads) => payloads.filter((payload) => isFresh(side, payload)),
    switchOver: () => {
      switched = true
    }
  }
}

const keyOf = ({ d, t }: Payload): string => {
  const content = JSON.stringify(d)
  return `${t}:${content.length}:${Hash.string(content)}`
}
