/**
 * How the clients have to behave towards Discord, whatever goes wrong: held against what went over the wire.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import type { ShardEvent } from "../../src/schema/ShardEvent.ts"
import type { BotRecord } from "./Bot.ts"
import { fatalCodes, injected } from "./FaultSchedule.ts"
import type { Scenario } from "./Scenario.ts"
import * as Program from "./Program.ts"
import type { WireConnection, WireRecord } from "./Wire.ts"

/** A shard dials as often as its waits and what Discord does to it call for, and never more often than this in a minute. */
const dialsPerMinute = 20
/** A session that has lasted is resumed at once. */
const atOnce = 100
const stableAfter = 10_000

/** Violations of one process. `wallJumps` says whether the machine was asleep in this run. */
export const judge = (bot: BotRecord, scenario: Scenario, wallJumps: boolean): ReadonlyArray<string> => [
  ...judgeDials(bot, scenario),
  ...judgeHeartbeats(bot),
  ...judgeReading(bot),
  ...judgePatience(bot, scenario, wallJumps),
  ...judgeSends(bot),
  ...judgeCloses(bot, scenario, wallJumps),
  ...judgeExit(bot),
  ...judgeFatal(bot, scenario)
]

/**
 * Discord may forget what a heartbeat told: no RESUME of a session is behind it, in this process or in one after it.
 */
export const judgeResumes = (wires: ReadonlyArray<Pick<WireRecord, "told">>): ReadonlyArray<string> => {
  const told = new Map<string, number>()
  const breaches: Array<string> = []
  for (const { at, by, seq, sessionId } of wires.flatMap((wire) => wire.told)) {
    const before = told.get(sessionId) ?? 0
    if (by === "heartbeat") told.set(sessionId, Math.max(before, seq))
    else if (seq < before) {
      breaches.push(`RESUME of session ${sessionId} at ${at} after ${seq}, though a heartbeat had told ${before}`)
    }
  }
  return breaches
}

/**
 * What was set aside is what kills, or it was the first behind the mark at which so many processes died: then no client can
 * tell it from that.
 */
export const judgeSetAside = (
  bots: ReadonlyArray<Pick<BotRecord, "consumer" | "end" | "wire">>,
  poison: Program.Program["poison"]
): ReadonlyArray<string> => {
  const markOf = ({ wire }: Pick<BotRecord, "wire">, session: string): number | undefined =>
    wire.resumes.find(({ sessionId }) => sessionId === session)?.seq
  return bots.flatMap((bot, index) =>
    bot.consumer.setAside.flatMap(({ n, s, session }) => {
      if (n !== undefined && n === poison?.n) return []
      const mark = markOf(bot, session)
      const deaths = bots
        .slice(0, index)
        .filter((other) => other.end === "crashed" && [mark, undefined].includes(markOf(other, session)))
      const wasFirst = bot.consumer.log.every(
        ({ delivered }) => delivered.session !== session || delivered.s >= s || delivered.s <= (mark ?? 0)
      )
      return wasFirst && deaths.length >= Math.max(3, poison?.maxAttempts ?? 0)
        ? []
        : [`${s} of session ${session} was set aside after ${deaths.length} deaths, though it kills nobody`]
    })
  )
}

const judgeDials = ({ wire }: BotRecord, { shards }: Scenario): ReadonlyArray<string> => {
  const dials = wire.connections.map(({ dialledAt }) => dialledAt)
  const limit = dialsPerMinute * shards
  const from = dials.findIndex((at, index) => (dials[index + limit] ?? Infinity) - at < 60_000)
  return from < 0 ? [] : [`more than ${limit} dials within a minute from ${dials[from]}`]
}

/** The connection that a shard gave up at this time. */
const connectionLeft = ({ wire }: BotRecord, shard: number, at: number): WireConnection | undefined =>
  wire.connections.findLast(
    (connection) =>
      connection.shard === shard && connection.leftAt !== undefined && Math.abs(connection.leftAt - at) < 1
  )

const judgeHeartbeats = (bot: BotRecord): ReadonlyArray<string> =>
  bot.events.flatMap((event, index) => {
    if (event._tag !== "Disconnected" || event.reason._tag !== "HeartbeatTimeout") return []
    const { shard } = event
    const at = DateTime.toEpochMillis(event.at)
    const interval = Duration.toMillis(event.reason.interval)
    const connection = connectionLeft(bot, shard, at)
    const breaches: Array<string> = []
    if (connection !== undefined) {
      if (!connection.beats.some((beat) => beat <= at - interval + 1)) {
        breaches.push(`shard ${shard} took its connection for dead at ${at}, before a heartbeat could be missed`)
      }
      if (
        connection.acknowledgements.some((acknowledged) => acknowledged > at - interval + 1 && acknowledged < at - 1)
      ) {
        breaches.push(`shard ${shard} took its connection for dead at ${at}, though it was acknowledged`)
      }
    }
    const since = establishedSince(bot.events.slice(0, index), shard)
    const isOver = (bot.endedAt ?? Infinity) <= at + atOnce
    if (since !== undefined && at - since >= stableAfter && !isOver) {
      const isDialled = bot.wire.connections.some(({ dialledAt }) => dialledAt >= at - 1 && dialledAt <= at + atOnce)
      if (!isDialled) breaches.push(`shard ${shard} did not dial within ${atOnce} ms after its verdict at ${at}`)
    }
    return breaches
  })

/** Well-formed frames of Discord's can be read. */
const judgeReading = (bot: BotRecord): ReadonlyArray<string> =>
  bot.events.flatMap((event) => {
    if (event._tag !== "Disconnected") return []
    const { reason, shard } = event
    const at = DateTime.toEpochMillis(event.at)
    if (reason._tag !== "MalformedPayload" && reason._tag !== "DecompressionFailed") return []
    const connection = connectionLeft(bot, shard, at)
    return connection === undefined || connection.isGarbled
      ? []
      : [`shard ${shard} could not read what was in good order at ${at}: ${reason.message}`]
  })

/** A connection on which nothing is acknowledged for two intervals is left, by a client that reads. */
const judgePatience = ({ wire }: BotRecord, scenario: Scenario, wallJumps: boolean): ReadonlyArray<string> => {
  if (wallJumps || canBeBehind(scenario)) return []
  const limit = 2 * Number(scenario.discord.heartbeatInterval) + 1000
  return wire.connections.flatMap(({ acknowledgements, beats, closed, leftAt }) => {
    const end = leftAt ?? closed?.at ?? beats.at(-1) ?? -Infinity
    const missed = beats.find(
      (beat) => end > beat + limit && !acknowledgements.some((at) => at > beat && at < beat + limit)
    )
    return missed === undefined ? [] : [`a heartbeat of ${missed} was not acknowledged, and nothing followed from it`]
  })
}

/** Since when the shard is established, after these events. */
const establishedSince = (events: ReadonlyArray<ShardEvent>, shard: number): number | undefined => {
  const last = events.findLast(
    (event) => event.shard === shard && ["Ready", "Resumed", "Disconnected", "Connecting"].includes(event._tag)
  )
  return last?._tag === "Ready" || last?._tag === "Resumed" ? DateTime.toEpochMillis(last.at) : undefined
}

/** Everything is sent once, on an established session, and nobody waits for ever. */
const judgeSends = ({ end, events, requests, sends, wire }: BotRecord): ReadonlyArray<string> => {
  const breaches: Array<string> = []
  const sent = new Map<number, number>()
  const hasStopped = events.some((event) => event._tag === "Stopped")
  for (const { n, tooEarly } of wire.connections.flatMap((connection) => connection.sent)) {
    sent.set(n, (sent.get(n) ?? 0) + 1)
    if (tooEarly) breaches.push(`${n} was sent before READY or RESUMED`)
  }
  for (const [n, state] of sends) {
    const times = sent.get(n) ?? 0
    if (times > 1 || (state === "sent" && times === 0)) breaches.push(`${n} was sent ${times} times`)
    if (state === "waiting" && end === "running") breaches.push(`${n} still waits to be sent`)
    if (state === "failed" && !hasStopped) breaches.push(`${n} could not be sent`)
  }
  for (const [n, state] of requests) {
    if (state === "waiting" && end === "running") breaches.push(`request ${n} for members still waits for its answer`)
  }
  return breaches
}

const judgeCloses = (bot: BotRecord, { store }: Scenario, wallJumps: boolean): ReadonlyArray<string> =>
  bot.wire.connections.flatMap((connection) => {
    const { closed, leftAt = Infinity, leftWith } = connection
    const breaches: Array<string> = []
    if (closed !== undefined && closed.code >= 4000 && closed.reason !== injected) {
      if (!isUnavoidable(closed.code, connection, wallJumps)) {
        breaches.push(`Discord had to close a connection at ${closed.at}: ${closed.code} ${closed.reason}`)
      }
    }
    if (leftWith === 1000 || leftWith === 1001) {
      const isFarewell = bot.end !== "running" && leftAt >= (bot.endedAt ?? Infinity) && !store.durable
      const isFailure = bot.exit !== undefined && !store.durable
      if (!isFarewell && !isFailure) breaches.push(`a connection was closed with ${leftWith} at ${leftAt}`)
    }
    return breaches
  })

const isUnavoidable = (
  code: number,
  { asked, beatsAskedFor, frames, sent }: WireConnection,
  wallJumps: boolean
): boolean => {
  switch (code) {
    // A payload sent in time may arrive when the session is gone.
    case 4003:
      return sent.length > 0 || asked > 0
    // Room is kept for the heartbeats of a client's own, and for a few that it is asked for.
    case 4008:
      // A Discord that was mute hears at once what was sent in a longer time.
      return beatsAskedFor > 2 || frames.every((at, index) => (frames[index + 120] ?? Infinity) - at >= 60_000)
    // Who sleeps for longer than two intervals is taken for dead.
    case 4009:
      return wallJumps
    default:
      return false
  }
}

const judgeExit = ({ exit, wire }: BotRecord): ReadonlyArray<string> => {
  if (exit === undefined) return []
  if (Exit.isSuccess(exit)) return ["the stream of payloads ended"]
  const error = Exit.findError(exit)
  if (Result.isFailure(error)) return [`the stream of payloads died: ${String(exit.cause)}`]
  const { reason, recovery } = error.success
  const wasRefused = wire.connections.some(({ closed }) => closed !== undefined && isFatal(closed.code))
  return recovery === "fatal" && wasRefused ? [] : [`the stream of payloads failed: ${reason.message}`]
}

/** A consumer that is never behind has the connections read at once, and what ends them known at once. */
const canBeBehind = ({ consumer, program, second, steps, subscribesAfter }: Scenario): boolean =>
  !Program.isQuick(program) ||
  consumer.rest !== undefined ||
  second !== undefined ||
  subscribesAfter > 0 ||
  steps.some(({ action }) => action._tag === "Leave" || action._tag === "Pause")

const judgeFatal = ({ wire }: BotRecord, scenario: Scenario): ReadonlyArray<string> => {
  if (canBeBehind(scenario)) return []
  const refused = wire.connections.find(({ closed }) => closed !== undefined && isFatal(closed.code))?.closed
  if (refused === undefined) return []
  return wire.connections.some(({ dialledAt }) => dialledAt > refused.at + 1000)
    ? [`dialled again after a close with ${refused.code} at ${refused.at}`]
    : []
}

const isFatal = (code: number): boolean => fatalCodes.some((fatal) => fatal === code)
