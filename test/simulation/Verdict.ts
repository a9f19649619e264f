/**
 * The judge: holds what the clients got against what Discord dispatched.
 *
 * A dispatch is handled when its handler has succeeded. The order is that of a shard, or of each guild where handlers run
 * side by side.
 *
 * - In one process every dispatch of a session is handled once and in order, without a hole. It may come again until it is.
 * - Over all processes nothing is left out that Discord still held for replay, or that had reached a process which lived on.
 * - What a process has handled comes again in the next one only after a crash, or when it was stopped in the midst.
 */
import type { BotEnd } from "./Bot.ts"
import type { Deed, Delivered } from "./Consumer.ts"
import type { Order } from "./Program.ts"

/** A session as Discord knows it. */
export interface SessionEvidence {
  readonly id: string
  readonly shard: number
  /** In order of the sequence, from 1. */
  readonly dispatched: ReadonlyArray<{
    readonly s: number
    readonly t: string
    readonly n: number | undefined
    readonly guild: string
    /** Whether the client has asked for it. */
    readonly wanted: boolean
  }>
  /**
   * Up to which sequence the clients have to have got it all: for a session that is alive at the end, the last one; for one
   * that the client gave up while Discord held it, the last one at that time; otherwise 0, since it ended with what was
   * not fetched.
   */
  readonly heldUntil: number
}

/** Record of one consumer. */
export interface ConsumerEvidence {
  readonly log: ReadonlyArray<Deed>
  /** In which order it begins with dispatches for the first time. */
  readonly beginsBy: Order
  /** In which order it has handled them. */
  readonly finishesBy: Order
}

/** A process of the client. */
export interface ProcessEvidence {
  readonly end: BotEnd
  /** Whether its consumers had finished with all that they were given. */
  readonly wasIdle: boolean
  readonly consumer: ConsumerEvidence
  /** Another one, that began to listen later. */
  readonly second: ConsumerEvidence | undefined
  /** Whether only both consumers together get everything. */
  readonly sharesWork: boolean
  /** Whether its consumer is told what may have been handed out before. */
  readonly isTold: boolean
  /** Behind which sequence of each session it began: 0 for one that it started. */
  readonly begunAfter: ReadonlyMap<string, number>
  /** Payloads that had certainly reached the process: it had read the end of their connection after them. */
  readonly reached: ReadonlyArray<{ readonly sessionId: string; readonly s: number }>
}

/** Findings against the client. */
export interface Verdict {
  readonly dispatched: number
  readonly delivered: number
  readonly lost: number
  readonly duplicated: number
  readonly outOfOrder: number
  /** Begun with in one process, and begun with again in a later one. */
  readonly redelivered: number
  /** Redelivered, and not told so. */
  readonly untold: number
  /** Dispatched, but ended with the session. */
  readonly gone: number
  /** The first findings, in words. */
  readonly findings: ReadonlyArray<string>
}

/** Holds the one against the other. */
export const judge = (evidence: {
  readonly sessions: ReadonlyArray<SessionEvidence>
  readonly processes: ReadonlyArray<ProcessEvidence>
}): Verdict => {
  const findings = new Findings()
  const sessions = new Map(evidence.sessions.map((session) => [session.id, session]))
  /** Sequences that the consumers have finished with, by session. */
  const finished = new Map<string, Set<number>>()
  let previous: ProcessEvidence | undefined

  /** How far the last process that had anything of a session has come with it. */
  const lastOf = new Map<string, { readonly process: ProcessEvidence; readonly begun: number }>()

  /** What processes have begun with. */
  const begun = new Set<string>()
  let redelivered = 0

  for (const [index, process] of evidence.processes.entries()) {
    const where = `process ${index + 1}`
    const all = process.sharesWork ? [process.consumer, process.second] : [process.consumer]
    judgeOrder(findings, process.consumer, `the consumer of ${where}`, sessions, process.sharesWork)
    if (process.second !== undefined) {
      judgeOrder(findings, process.second, `the second consumer of ${where}`, sessions, false)
    }
    judgeRestart(findings, process, where, previous)
    if (process.end === "running") judgeEnd(findings, process, where, evidence.sessions)
    for (const { delivered, did } of all.flatMap((consumer) => consumer?.log ?? [])) {
      const { s, session } = delivered
      const last = lastOf.get(session)
      if (last?.process !== process || last.begun < s) lastOf.set(session, { process, begun: s })
      if (did === "begin") continue
      const those = finished.get(session) ?? new Set()
      finished.set(session, those.add(s))
    }
    const own = new Set<string>()
    for (const { delivered, did } of process.consumer.log) {
      const key = keyOf(delivered)
      if (did !== "begin" || own.has(key)) continue
      own.add(key)
      if (!begun.has(key)) continue
      redelivered++
      if (process.isTold && delivered.redelivered === false) findings.leaveUntold(delivered, where)
    }
    for (const key of own) begun.add(key)
    previous = process
  }

  let dispatched = 0
  let delivered = 0
  for (const session of evidence.sessions) {
    const those = finished.get(session.id) ?? new Set<number>()
    const last = lastOf.get(session.id)
    /** Up to here the last process has had everything in hand, or it was for it to fetch. */
    const owed =
      last === undefined ? 0 : last.process.end === "running" ? last.begun : last.process.begunAfter.get(session.id)
    for (const { s, wanted } of session.dispatched) {
      if (!wanted) continue
      dispatched++
      if (those.has(s)) delivered++
      else if (s <= (owed ?? 0)) findings.lose(session.id, s, `${owed} of the same session came`)
      else if (s <= session.heldUntil) findings.lose(session.id, s, "Discord still held it")
    }
  }
  const lost = findings.lost.size
  const { duplicated, outOfOrder, texts, untold } = findings
  const gone = dispatched - delivered - lost
  return { dispatched, delivered, lost, duplicated, outOfOrder, redelivered, untold, gone, findings: texts }
}

class Findings {
  readonly lost = new Set<string>()
  readonly texts: Array<string> = []
  duplicated = 0
  outOfOrder = 0
  untold = 0

  lose(session: string, s: number, why: string): void {
    const key = keyOf({ session, s })
    if (this.lost.has(key)) return
    this.lost.add(key)
    this.note(`lost: ${key}: ${why}`)
  }

  duplicate(delivered: Delivered, how: string): void {
    this.duplicated++
    this.note(`duplicated: ${keyOf(delivered)}: ${how}`)
  }

  misplace(delivered: Delivered, how: string): void {
    this.outOfOrder++
    this.note(`out of order: ${keyOf(delivered)}: ${how}`)
  }

  leaveUntold(delivered: Delivered, where: string): void {
    this.untold++
    this.note(`untold: ${keyOf(delivered)} came again in ${where}, as if for the first time`)
  }

  private note(finding: string): void {
    if (this.texts.length < 20) this.texts.push(finding)
  }
}

const keyOf = ({ s, session }: { readonly session: string; readonly s: number }): string => `${s} of session ${session}`

/**
 * In one process everything of a session is handled once and in order, without a hole, and sessions do not come back. What
 * has begun and was not handled may begin again.
 */
const judgeOrder = (
  findings: Findings,
  { beginsBy, finishesBy, log }: ConsumerEvidence,
  who: string,
  sessions: ReadonlyMap<string, SessionEvidence>,
  mayMiss: boolean
): void => {
  const begun = new Map<string, { readonly seen: Set<number>; last: number }>()
  const handled = new Map<string, { readonly seen: Set<number>; last: number }>()
  const done = new Set<string>()
  /** Payloads found out of order: each is blamed once. */
  const blamed = new Set<string>()
  const current = new Map<number, string>()
  const laneOf = ({ guild, session }: Delivered, order: Order) => (order === "guild" ? `${session} ${guild}` : session)

  const begin = (delivered: Delivered): void => {
    const { guild, n, s, session, shard, t } = delivered
    const known = sessions.get(session)
    const original = known?.dispatched[s - 1]
    if (known?.shard !== shard || original?.t !== t || original.n !== n) {
      findings.misplace(delivered, `${who} was handed a ${t} which was not dispatched as that`)
    }
    if (done.has(keyOf(delivered))) {
      blamed.add(keyOf(delivered))
      return findings.duplicate(delivered, `${who} was handed it again`)
    }
    const lane = laneOf(delivered, beginsBy)
    const before = begun.get(lane)
    const comesAgain = before?.seen.has(s) === true
    if (before === undefined) begun.set(lane, { seen: new Set([s]), last: s })
    else if (!comesAgain) {
      if (s < before.last) {
        blamed.add(keyOf(delivered))
        findings.misplace(delivered, `${who} was handed it after ${before.last}`)
      } else if (beginsBy === "shard" && current.get(shard) !== session) {
        findings.misplace(delivered, `${who} was handed it after another session`)
      }
      const firstMissing = mayMiss ? s : before.last + 1
      for (let missing = firstMissing; missing < s; missing++) {
        const other = known?.dispatched[missing - 1]
        if (other?.wanted === false || (beginsBy === "guild" && other?.guild !== guild)) continue
        findings.lose(session, missing, `${who} was handed ${s} without it`)
      }
      before.seen.add(s)
      before.last = Math.max(before.last, s)
    }
    if (!comesAgain) current.set(shard, session)
  }

  const finish = (delivered: Delivered): void => {
    const { s } = delivered
    const isBlamed = blamed.has(keyOf(delivered))
    if (done.has(keyOf(delivered)) && !isBlamed) findings.duplicate(delivered, `${who} has handled it twice`)
    done.add(keyOf(delivered))
    if (isBlamed || finishesBy === "none") return
    const lane = laneOf(delivered, finishesBy)
    const before = handled.get(lane)
    if (before !== undefined && s < before.last) {
      findings.misplace(delivered, `${who} has handled it after ${before.last}`)
    }
    handled.set(lane, { seen: new Set(), last: Math.max(before?.last ?? 0, s) })
  }

  for (const { delivered, did } of log) {
    if (did === "begin") begin(delivered)
    else finish(delivered)
  }
}

/** After a stop in peace nothing comes again. */
const judgeRestart = (
  findings: Findings,
  { consumer }: ProcessEvidence,
  where: string,
  previous: ProcessEvidence | undefined
): void => {
  if (previous?.end !== "stopped" || !previous.wasIdle) return
  const done = new Set(previous.consumer.log.map(({ delivered }) => keyOf(delivered)))
  for (const { delivered, did } of consumer.log) {
    if (did === "begin" && done.has(keyOf(delivered))) {
      findings.duplicate(delivered, `it came again in ${where}, after a stop in peace`)
    }
  }
}

/** The process that lives on handles all that reached it, and so do all of its consumers. */
const judgeEnd = (
  findings: Findings,
  { consumer, reached, second, sharesWork }: ProcessEvidence,
  where: string,
  sessions: ReadonlyArray<SessionEvidence>
): void => {
  const log = sharesWork ? [...consumer.log, ...(second?.log ?? [])] : consumer.log
  const done = new Set(log.flatMap(({ delivered, did }) => (did === "finish" ? [keyOf(delivered)] : [])))
  for (const { s, sessionId: session } of reached) {
    if (!done.has(keyOf({ session, s }))) findings.lose(session, s, `it had reached ${where}, which lived on`)
  }
  for (const { delivered } of log) {
    const { s, session } = delivered
    if (!done.has(keyOf(delivered))) findings.lose(session, s, `${where} has begun with it, and never handled it`)
  }
  const last = lastByShard(consumer, sessions)
  for (const [shard, { s, session }] of second === undefined ? [] : lastByShard(second, sessions)) {
    const expected = last.get(shard)
    if (expected === undefined || keyOf(expected) === keyOf({ s, session })) continue
    // Who handles by name leaves out the rest.
    if (expected.session === session && expected.s < s) continue
    findings.lose(expected.session, expected.s, `the second consumer of ${where} did not get it`)
  }
}

/** The last of the newest session that a consumer got of each shard. */
const lastByShard = (
  { log }: ConsumerEvidence,
  sessions: ReadonlyArray<SessionEvidence>
): ReadonlyMap<number, Delivered> => {
  const age = new Map(sessions.map(({ id }, index) => [id, index]))
  const last = new Map<number, Delivered>()
  for (const { delivered } of log) {
    const before = last.get(delivered.shard)
    const isLater =
      before === undefined ||
      (before.session === delivered.session
        ? before.s < delivered.s
        : (age.get(before.session) ?? 0) < (age.get(delivered.session) ?? 0))
    if (isLater) last.set(delivered.shard, delivered)
  }
  return last
}
