/**
 * The judge: holds what the clients got against what Discord dispatched.
 *
 * - In one process every dispatch of a session comes once and in order, without a hole.
 * - Over all processes nothing is left out that Discord still held for replay, or that had reached a process which lived on.
 * - What a process has finished with comes again in the next one only after a crash, or when it was stopped in the midst.
 */
import type { BotEnd } from "./Bot.ts"
import type { Delivered } from "./Consumer.ts"

/** A session as Discord knows it. */
export interface SessionEvidence {
  readonly id: string
  readonly shard: number
  /** In order of the sequence, from 1. */
  readonly dispatched: ReadonlyArray<{
    readonly s: number
    readonly t: string
    readonly n: number | undefined
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

/** What one consumer got. */
export interface ConsumerEvidence {
  readonly handed: ReadonlyArray<Delivered>
  /** How many of them it has finished with. */
  readonly processed: number
}

/** A process of the client. */
export interface ProcessEvidence {
  readonly end: BotEnd
  /** Whether its consumers had finished with all that they were given. */
  readonly wasIdle: boolean
  readonly consumer: ConsumerEvidence
  /** Another one, that began to listen later. */
  readonly second: ConsumerEvidence | undefined
  /** What had certainly reached the process, since the end of the connection that it came over was read behind it. */
  readonly reached: ReadonlyArray<{ readonly sessionId: string; readonly s: number }>
}

/** What is held against the client. */
export interface Verdict {
  readonly dispatched: number
  readonly delivered: number
  readonly lost: number
  readonly duplicated: number
  readonly outOfOrder: number
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
  const docket = new Findings()
  const sessions = new Map(evidence.sessions.map((session) => [session.id, session]))
  /** What the consumers have finished with, by session. */
  const finished = new Map<string, Set<number>>()
  let previous: ProcessEvidence | undefined

  for (const [index, process] of evidence.processes.entries()) {
    const where = `process ${index + 1}`
    judgeOrder(docket, process.consumer, `the consumer of ${where}`, sessions)
    if (process.second !== undefined) {
      judgeOrder(docket, process.second, `the second consumer of ${where}`, sessions)
    }
    judgeRestart(docket, process, where, previous)
    if (process.end === "running") judgeEnd(docket, process, where)
    for (const { s, session } of process.consumer.handed.slice(0, process.consumer.processed)) {
      const those = finished.get(session) ?? new Set()
      finished.set(session, those.add(s))
    }
    previous = process
  }

  let dispatched = 0
  let delivered = 0
  for (const session of evidence.sessions) {
    const those = finished.get(session.id) ?? new Set<number>()
    let last = 0
    for (const s of those) last = Math.max(last, s)
    for (const { s, wanted } of session.dispatched) {
      if (!wanted) continue
      dispatched++
      if (those.has(s)) delivered++
      else if (s < last) docket.lose(session.id, s, `${last} of the same session came`)
      else if (s <= session.heldUntil) docket.lose(session.id, s, "Discord still held it")
    }
  }
  const lost = docket.lost.size
  const { duplicated, findings, outOfOrder } = docket
  return { dispatched, delivered, lost, duplicated, outOfOrder, gone: dispatched - delivered - lost, findings }
}

class Findings {
  readonly lost = new Set<string>()
  readonly findings: Array<string> = []
  duplicated = 0
  outOfOrder = 0

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

  private note(finding: string): void {
    if (this.findings.length < 20) this.findings.push(finding)
  }
}

const keyOf = ({ s, session }: { readonly session: string; readonly s: number }): string => `${s} of session ${session}`

/** In one process everything of a session comes once and in order, without a hole, and sessions do not come back. */
const judgeOrder = (
  docket: Findings,
  { handed }: ConsumerEvidence,
  who: string,
  sessions: ReadonlyMap<string, SessionEvidence>
): void => {
  const progress = new Map<string, { readonly seen: Set<number>; last: number }>()
  const current = new Map<number, string>()
  for (const delivered of handed) {
    const { n, s, session, shard, t } = delivered
    const known = sessions.get(session)
    const original = known?.dispatched[s - 1]
    if (known?.shard !== shard || original?.t !== t || original.n !== n) {
      docket.misplace(delivered, `${who} was handed a ${t} which was not dispatched as that`)
    }
    const before = progress.get(session)
    if (before === undefined) progress.set(session, { seen: new Set([s]), last: s })
    else if (before.seen.has(s)) docket.duplicate(delivered, `${who} was handed it twice`)
    else {
      if (s < before.last) docket.misplace(delivered, `${who} was handed it after ${before.last}`)
      else if (current.get(shard) !== session) docket.misplace(delivered, `${who} was handed it after another session`)
      for (let missing = before.last + 1; missing < s; missing++) {
        if (known?.dispatched[missing - 1]?.wanted !== false)
          docket.lose(session, missing, `${who} was handed ${s} without it`)
      }
      before.seen.add(s)
      before.last = Math.max(before.last, s)
    }
    current.set(shard, session)
  }
}

/** After a stop in peace nothing comes again. */
const judgeRestart = (
  docket: Findings,
  { consumer }: ProcessEvidence,
  where: string,
  previous: ProcessEvidence | undefined
): void => {
  if (previous?.end !== "stopped" || !previous.wasIdle) return
  const done = new Set(previous.consumer.handed.map(keyOf))
  for (const delivered of consumer.handed) {
    if (done.has(keyOf(delivered))) docket.duplicate(delivered, `it came again in ${where}, after a stop in peace`)
  }
}

/** The process that lives on gets all that reached it, and so do all of its consumers. */
const judgeEnd = (docket: Findings, { consumer, reached, second }: ProcessEvidence, where: string): void => {
  const handed = new Set(consumer.handed.map(keyOf))
  for (const { s, sessionId: session } of reached) {
    if (!handed.has(keyOf({ session, s }))) docket.lose(session, s, `it had reached ${where}, which lived on`)
  }
  const last = lastByShard(consumer)
  for (const [shard, { s, session }] of second === undefined ? [] : lastByShard(second)) {
    const expected = last.get(shard)
    if (expected === undefined || keyOf(expected) === keyOf({ s, session })) continue
    docket.lose(expected.session, expected.s, `the second consumer of ${where} did not get it`)
  }
}

const lastByShard = ({ handed }: ConsumerEvidence): ReadonlyMap<number, Delivered> =>
  new Map(handed.map((delivered) => [delivered.shard, delivered]))
