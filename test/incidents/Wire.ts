/**
 * Judge of an incident: what a client did, by the simulator's record of it alone, and in which order it delivered.
 *
 * Each question is answered by the sentence that says what is wrong, or by none.
 */
import * as Predicate from "effect/Predicate"
import type {
  ConnectionRecord,
  DialRecord,
  FrameRecord,
  RequestRecord,
  SessionRecord,
  SimulatorCounts
} from "../../src/testing.ts"

/** A line that a client has written. */
export interface Line {
  readonly t: string
  readonly content: string | undefined
}

/** Everything that is known of a client at one moment. Times are milliseconds. */
export interface Wire {
  readonly now: number
  readonly counts: SimulatorCounts
  readonly dials: ReadonlyArray<DialRecord>
  readonly connections: ReadonlyArray<ConnectionRecord>
  readonly sessions: ReadonlyArray<SessionRecord>
  readonly requests: ReadonlyArray<RequestRecord>
  readonly lines: ReadonlyArray<Line>
  /** What was thrown or reported last, and how the process ended; none while it runs. */
  readonly problem: string | undefined
  readonly ended: string | undefined
}

/** A frame with its connection. */
export interface Sent extends FrameRecord {
  readonly connection: ConnectionRecord
}

/** The sentence that says what is wrong; `undefined` for none. */
export type Verdict = string | undefined

/** Frames of the connections from an id on, in the order of their connections. */
export const framesOf = (wire: Wire, ops: ReadonlyArray<number>, after = 0): ReadonlyArray<Sent> =>
  wire.connections
    .filter(({ id }) => id > after)
    .flatMap((connection) =>
      connection.frames.flatMap((frame) =>
        frame.op !== undefined && ops.includes(frame.op) ? [{ ...frame, connection }] : []
      )
    )

/** A field of a frame's `d`. */
export const field = (frame: FrameRecord, name: string): unknown =>
  Predicate.hasProperty(frame.payload, "d") && Predicate.hasProperty(frame.payload.d, name)
    ? frame.payload.d[name]
    : undefined

/** The `d` of a frame. */
export const dOf = (frame: FrameRecord): unknown =>
  Predicate.hasProperty(frame.payload, "d") ? frame.payload.d : undefined

/** Open connections that carry a session. */
export const live = (wire: Wire): ReadonlyArray<ConnectionRecord> =>
  wire.connections.filter(
    ({ end, sessionId }) =>
      end === undefined && wire.sessions.some(({ connected, id }) => connected && id === sessionId)
  )

/** Moment before Discord acts. */
export interface Before {
  readonly at: number
  readonly connection: number
  readonly dials: number
  readonly requests: number
  readonly identifies: number
  readonly sessions: ReadonlyMap<string, number>
}

export const before = (wire: Wire): Before => ({
  at: wire.now,
  connection: wire.connections.at(-1)?.id ?? 0,
  dials: wire.counts.dials,
  requests: wire.counts.httpRequests,
  identifies: wire.counts.identifies,
  sessions: new Map(wire.sessions.map(({ id, sequence }) => [id, sequence]))
})

/** Whether so many shards have a session on a connection of their own, each on one that was opened after the moment. */
export const isUp = (wire: Wire, shards: number, after = 0): boolean =>
  new Set(live(wire).flatMap(({ id, shard }) => (id > after ? [shard] : []))).size >= shards

/** The client has begun no session since; it has resumed one, from the sequence that it had. */
export const resumed = (wire: Wire, since: Before): Verdict => {
  const starts = framesOf(wire, [2, 6], since.connection)
  const [first] = starts
  if (first === undefined) return undefined
  if (starts.some(({ op }) => op === 2)) return "it sends IDENTIFY, though its session can be resumed"
  const [id, seq] = [field(first, "session_id"), field(first, "seq")]
  const known = since.sessions.get(String(id))
  if (known === undefined) return "it resumes a session that it did not have"
  if (!Predicate.isNumber(seq) || seq < known) {
    return `it resumes from sequence ${String(seq)}, though it was sent ${known} before`
  }
  return undefined
}

/** Milliseconds between the frames of an operation, in order of time. */
export const gaps = (frames: ReadonlyArray<FrameRecord>): ReadonlyArray<number> => {
  const times = frames.map(({ at }) => at).toSorted((a, b) => a - b)
  return times.slice(1).map((at, index) => at - (times[index] ?? at))
}

/** Texts of the simulator for what a client does wrong; another text was asked for by an incident. */
const refusals = new Set([
  "Payload too large.",
  "Rate limited.",
  "Error while decoding payload.",
  "Unknown opcode.",
  "Not authenticated.",
  "Already authenticated.",
  "Invalid seq.",
  "Unknown encoding.",
  "Invalid API version."
])

/** Rules that hold in each incident, whatever Discord does. */
export const broken = (wire: Wire, isStopped: boolean): Verdict => {
  const { identifyViolations, overruns } = wire.counts
  if (overruns > 0) return "it sends more IDENTIFYs than the day's limit, for which Discord resets the token"
  if (identifyViolations > 0) return "it sends IDENTIFY less than 5 seconds after the one before"
  for (const { end, sessionId, shard } of wire.connections) {
    if (end?.by === "server" && refusals.has(end.reason)) return `Discord closes with ${end.code}: ${end.reason}`
    const isLeft = end?.by === "client" && (end.code === 1000 || end.code === 1001) && sessionId !== undefined
    if (isLeft && !isStopped) return `it closes shard ${shard ?? 0} with ${end.code}, which ends the session`
  }
  const marks = wire.lines.flatMap(({ content }) => (content?.startsWith("mark-") === true ? [content] : []))
  const twice = marks.find((mark, index) => marks.indexOf(mark) !== index)
  if (twice !== undefined) return "it delivers an event twice"
  const numbers = marks.map((mark) => Number(mark.slice(5)))
  if (numbers.some((number, index) => number < (numbers[index - 1] ?? 0))) return "it delivers events out of order"
  return undefined
}

/** A shard that goes on with a connection half a second after it has begun or resumed a session on a later one. */
export const doubled = (wire: Wire): Verdict => {
  for (const later of wire.connections) {
    const begun = later.frames.find(({ op }) => op === 2 || op === 6)
    if (begun === undefined || later.shard === undefined) continue
    const old = wire.connections.find(
      ({ frames, id, shard }) =>
        id < later.id &&
        shard === later.shard &&
        frames.some(({ at }) => at > begun.at + 500 && at < (later.end?.at ?? Infinity))
    )
    if (old !== undefined) return "it goes on with an old connection beside the new one"
  }
  return undefined
}
