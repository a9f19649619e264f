/**
 * What the verdict is founded on: the records of Discord and of the clients, brought together.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import type { SessionRecord } from "../../src/simulator/Observations.ts"
import type { BotRecord } from "./Bot.ts"
import type { Scenario } from "./Scenario.ts"
import type { ConsumerEvidence, ProcessEvidence, SessionEvidence } from "./Verdict.ts"

/** Brings them together. `givenUp` says up to where Discord held the sessions that clients gave up. */
export const gather = (options: {
  readonly sessions: ReadonlyArray<SessionRecord>
  readonly bots: ReadonlyArray<BotRecord>
  readonly givenUp: ReadonlyMap<string, number>
  /** The events that the client has asked for, undefined for all. */
  readonly events: ReadonlyArray<string> | undefined
}): { readonly sessions: ReadonlyArray<SessionEvidence>; readonly processes: ReadonlyArray<ProcessEvidence> } => {
  const isWanted = (name: string) =>
    options.events === undefined || options.events.includes(name) || name === "READY" || name === "RESUMED"
  // A session whose READY went to a connection that the client had left is nobody's.
  const reached = new Set(options.bots.flatMap(({ wire }) => wire.connections.map(({ sessionId }) => sessionId)))
  const sessions = options.sessions.map(({ alive, dispatched, id, sequence, shard }): SessionEvidence => ({
    id,
    shard: shard[0],
    dispatched: dispatched.map(({ d, s, t }) => ({ s, t, n: numberOf(d), wanted: isWanted(t) })),
    heldUntil: options.givenUp.get(id) ?? (alive && reached.has(id) ? sequence : 0)
  }))
  return {
    sessions,
    processes: options.bots.map((bot) => ({
      ...bot,
      second: bot.second === undefined ? undefined : attribute(bot.second, sessions),
      reached: reachedOf(bot, sessions)
    }))
  }
}

/** The number that the simulation gave to a dispatch. */
export const numberOf = (d: unknown): number | undefined =>
  Predicate.hasProperty(d, "n") && typeof d.n === "number" ? d.n : undefined

/** Who subscribes late finds out by what comes first which session it is in the midst of. */
const attribute = (
  { handed, processed }: ConsumerEvidence,
  sessions: ReadonlyArray<SessionEvidence>
): ConsumerEvidence => {
  const begun = new Set(handed.flatMap(({ session, t }) => (t === "READY" ? [session] : [])))
  const unknown = handed.filter(({ session }) => session === "unknown")
  const known = new Map(
    [...new Set(unknown.map(({ shard }) => shard))].map((shard) => {
      const those = unknown.filter((delivered) => delivered.shard === shard)
      const isOf = ({ dispatched, id, ...session }: SessionEvidence) =>
        session.shard === shard &&
        !begun.has(id) &&
        those.every(({ n, s, t }) => dispatched[s - 1]?.t === t && dispatched[s - 1]?.n === n)
      return [shard, sessions.findLast(isOf)]
    })
  )
  const attributed = handed.map((delivered) => {
    const session = delivered.session === "unknown" ? known.get(delivered.shard)?.id : delivered.session
    return { ...delivered, session: session ?? "unknown" }
  })
  return { handed: attributed, processed }
}

/** What had come over connections whose end was read behind it. */
const reachedOf = ({ events, wire }: BotRecord, sessions: ReadonlyArray<SessionEvidence>) =>
  wire.connections.flatMap(({ closed, dispatches, isEnding, leftAt, shard }) => {
    const at = leftAt ?? closed?.at
    if (!isEnding || at === undefined) return []
    const end = events.find(
      (event) => event._tag === "Disconnected" && event.shard === shard && DateTime.toEpochMillis(event.at) >= at
    )
    if (end?._tag !== "Disconnected" || !endingReasons.includes(end.reason._tag)) return []
    return dispatches.filter(({ s, sessionId }) => {
      const session = sessions.find(({ id }) => id === sessionId)
      return session?.dispatched[s - 1]?.wanted === true
    })
  })

const endingReasons = ["ReconnectRequested", "SessionInvalidated", "ConnectionClosed", "MalformedPayload"]

/**
 * How many IDENTIFYs were sent too early for their bucket. The simulator counts when it hears them, which is late on a
 * connection that was mute: there the client cannot know.
 */
export const countTooEarly = (records: ReadonlyArray<BotRecord>, maxConcurrency: number): number => {
  const last = new Map<number, number>()
  let count = 0
  for (const { at, shard } of records.flatMap(({ wire }) => wire.identifies)) {
    const bucket = shard % maxConcurrency
    if (at - (last.get(bucket) ?? -Infinity) < 4999.5) count++
    last.set(bucket, at)
  }
  return count
}

/** Whether the clients could not help giving this session up. */
export const isExcusedFor = (session: string, bots: ReadonlyArray<BotRecord>, { client, store }: Scenario): boolean => {
  const owner = bots.find(({ events }) => events.some((event) => event._tag === "Ready" && event.sessionId === session))
  const ready = owner?.events.find((event) => event._tag === "Ready" && event.sessionId === session)
  // READY never came.
  if (owner === undefined || ready === undefined) return true
  if (owner !== bots.at(-1) && !store.durable) return true
  // Killed before the session could be stored.
  const toStore = Duration.toMillis(Duration.fromInputUnsafe(client.saveEvery ?? 1000)) + 2 * store.latency + 1000
  if (owner.end === "crashed" && (owner.endedAt ?? 0) - DateTime.toEpochMillis(ready.at) < toStore) return true
  // Told that it is gone.
  return bots.some(({ events, wire }) => {
    const drops = events.filter((event) => event._tag === "SessionDropped" && event.why !== "RESUME failed too often")
    return (
      drops.some((event) => event._tag === "SessionDropped" && event.sessionId === session) &&
      drops.length <= wire.invalidations
    )
  })
}
