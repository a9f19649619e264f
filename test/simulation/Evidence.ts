/**
 * What the verdict is founded on: the records of Discord and of the clients, brought together.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import type { SessionRecord } from "../../src/simulator/Observations.ts"
import type { BotRecord } from "./Bot.ts"
import type { Scenario } from "./Scenario.ts"
import { guildOf } from "./Consumer.ts"
import * as Program from "./Program.ts"
import type { ProcessEvidence, SessionEvidence } from "./Verdict.ts"

/** Brings them together. `givenUp` says up to where Discord held the sessions that clients gave up. */
export const gather = (options: {
  readonly sessions: ReadonlyArray<SessionRecord>
  readonly bots: ReadonlyArray<BotRecord>
  readonly givenUp: ReadonlyMap<string, number>
  readonly scenario: Scenario
}): { readonly sessions: ReadonlyArray<SessionEvidence>; readonly processes: ReadonlyArray<ProcessEvidence> } => {
  const { client, program, second, steps } = options.scenario
  const events: ReadonlyArray<string> | undefined = client.events
  const isWanted = (name: string) =>
    name !== "RESUMED" &&
    (events === undefined || events.includes(name) || alwaysSeen.includes(name)) &&
    (program.names === undefined || program.names.includes(name))
  // With another one beside, who fails or leaves does not get everything: the two of them do.
  const sharesWork =
    second !== undefined && (program.fails !== undefined || steps.some(({ action }) => action._tag === "Leave"))
  // A session whose READY went to a connection that the client had left is nobody's.
  const reached = new Set(options.bots.flatMap(({ wire }) => wire.connections.map(({ sessionId }) => sessionId)))
  // A store that fails cannot tell the next process what the one before it had in hand.
  const isTold = Program.takesDeliveries(program) && options.bots.every(({ store }) => store.failures === 0)
  const sessions = options.sessions.map(({ alive, dispatched, id, sequence, shard }): SessionEvidence => ({
    id,
    shard: shard[0],
    dispatched: dispatched.map(({ d, s, t }) => ({
      s,
      t,
      n: numberOf(d),
      guild: guildOf(t, d),
      wanted: isWanted(t) && !answersProbe(d)
    })),
    heldUntil: options.givenUp.get(id) ?? (alive && reached.has(id) ? sequence : 0)
  }))
  return {
    sessions,
    processes: options.bots.map((bot) => ({
      ...bot,
      consumer: { log: bot.consumer.log, beginsBy: Program.beginsBy(program), finishesBy: Program.finishesBy(program) },
      second: bot.second === undefined ? undefined : { log: bot.second.log, beginsBy: "shard", finishesBy: "shard" },
      sharesWork,
      isTold,
      reached: reachedOf(bot, sessions),
      begunAfter: begunAfter(bot)
    }))
  }
}

/** Dispatches that the library itself needs, whatever the program wants. */
const alwaysSeen: ReadonlyArray<string> = ["READY", "GUILD_MEMBERS_CHUNK", "RATE_LIMITED"]

/** Whether a dispatch answers the library's own probe of a silence, which no program is to see. */
const answersProbe = (d: unknown): boolean =>
  Predicate.hasProperty(d, "nonce") && d.nonce === "disruption-gateway:silence"

/** Behind which sequence of each session a process began. */
const begunAfter = ({ wire }: BotRecord): ReadonlyMap<string, number> => {
  const begun = new Map<string, number>()
  for (const { seq, sessionId } of wire.resumes) begun.set(sessionId, Math.min(seq, begun.get(sessionId) ?? Infinity))
  // READY came over a connection that resumed nothing.
  for (const { resumedAfter, sessionId } of wire.connections) {
    if (sessionId !== undefined && resumedAfter === 0) begun.set(sessionId, 0)
  }
  return begun
}

/** The number that the simulation gave to a dispatch. */
export const numberOf = (d: unknown): number | undefined =>
  Predicate.hasProperty(d, "n") && typeof d.n === "number" ? d.n : undefined

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
  // The store failed, and the session was never in it.
  if (owner.end !== "running" && owner.store.failures > 0 && !owner.store.sessions.has(session)) return true
  // Killed between hearing that it is gone and saying so.
  const isUnsaid = bots.some(({ end, events, wire }) => {
    const drops = events.filter(({ _tag }) => _tag === "SessionDropped").length
    const last = wire.connections.findLast(({ sessionId }) => sessionId === session)
    return end === "crashed" && wire.invalidations > drops && last?.isEnding === true
  })
  if (isUnsaid) return true
  // Told that it is gone.
  return bots.some(({ events, wire }) => {
    const drops = events.filter((event) => event._tag === "SessionDropped" && event.why !== "RESUME failed too often")
    return (
      drops.some((event) => event._tag === "SessionDropped" && event.sessionId === session) &&
      drops.length <= wire.invalidations
    )
  })
}
