/**
 * Writes records to the stream of a broker, each once and in their order, however often they are published and whoever else writes.
 *
 * The server has no step for several messages, so they are a chain: each is taken only if the one before it was the last of the stream.
 * A failure leaves the beginning of the chain. Its first message is a mark: the last sequence of each session and shard, and those of the
 * records behind it. Records whose positions the stream has reached are there, whether or not they were acknowledged since. So no window of
 * time limits which repetitions are recognised, and a writer that was thought dead cannot write between the records of its successor.
 */
import { headers, type MsgHdrs } from "@nats-io/transport-node"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { codes, isConflict, type NatsApi, NatsError } from "./NatsApi.ts"
import type { Published } from "../RelayBroker.ts"
import * as RelayRecord from "../RelayRecord.ts"

/** The mark in front of records. */
const Mark = Schema.Struct({
  v: Schema.Int,
  /** Sessions and shards, `session:shard`, with the last sequence in front of the mark and when it was written, in seconds. */
  sources: Schema.Array(Schema.Tuple([Schema.String, Schema.Int, Schema.Int])),
  /** Of each record behind the mark: its source, by its place among them, and its sequence. */
  records: Schema.Array(Schema.Tuple([Schema.Int, Schema.Int]))
})
const MarkText = Schema.fromJsonString(Mark)
const encodeMark = Schema.encodeSync(MarkText)
const decodeMark = Schema.decodeOption(MarkText)

/** Marks that are left before the earlier ones are taken out. */
const marksKept = 64

/** Seconds after which the last sequence of a session is of no use: Discord keeps a session for minutes. */
const sessionTime = 2 * 24 * 60 * 60

/** Bytes that headers may have, of those that a message may. */
const headerRoom = 512

/** State of the stream, as far as it is known. */
interface Known {
  /** Last position. */
  last: number
  /** Count of records that there is room for, at least. */
  room: number
  /** Last sequence of each source, and when it was written. */
  readonly sources: Map<string, readonly [sequence: number, seconds: number]>
}

/** Options of a log. */
export interface LogOptions {
  readonly stream: string
  /** Subject of a partition. */
  readonly subjectOf: (partition: number) => string
  readonly markSubject: string
  readonly capacity: number
}

interface Message {
  readonly subject: string
  readonly payload: Uint8Array
  readonly headers: MsgHdrs
}

const sourceOf = ({ session, shard }: RelayRecord.RelayRecord) => `${session}:${shard}`

/** Log of a stream. */
export const make = Effect.fnUntraced(function* (
  api: NatsApi,
  { capacity, markSubject, stream, subjectOf }: LogOptions
) {
  const nonce = (yield* Random.nextIntBetween(0, 2 ** 48)).toString(36)
  const encoder = new TextEncoder()
  const writing = Semaphore.makeUnsafe(1)
  let marks = 0
  let known: Known | undefined
  /** Last position that the server has said to have. */
  let confirmed = 0

  const info = api.ask(() => api.manager.streams.info(stream, { subjects_filter: markSubject }))

  const depth = Effect.map(info, ({ state }) => state.messages - (state.subjects?.[markSubject] ?? 0))

  const load = Effect.gen(function* () {
    const { state } = yield* info
    if (state.last_seq < confirmed) {
      yield* Effect.logError(
        `NATS has lost entries that it had confirmed: its log ends at ${state.last_seq}, and has ended at ${confirmed}`
      )
      confirmed = state.last_seq
    }
    const mark = yield* api.last(stream, markSubject)
    const loaded: Known = { last: state.last_seq, room: 0, sources: new Map() }
    if (mark === undefined) return loaded
    const written = state.last_seq - mark.position
    if (written < 0) return yield* new NatsError({ description: "another relay writes", code: codes.wrongLastSequence })
    const { records, sources } = yield* Option.match(decodeMark(mark.text), {
      onNone: () =>
        Effect.fail(new NatsError({ description: `its mark is of a later release: ${mark.text}`, code: undefined })),
      onSome: Effect.succeed
    })
    for (const [source, sequence, seconds] of sources) loaded.sources.set(source, [sequence, seconds])
    for (const [place, sequence] of records.slice(0, written)) {
      const [source, , seconds] = sources[place] ?? []
      if (source !== undefined) loaded.sources.set(source, [sequence, seconds ?? 0])
    }
    return loaded
  })

  /** The records as a chain, behind their mark. */
  const chainOf = (at: Known, records: ReadonlyArray<RelayRecord.RelayRecord>, seconds: number) => {
    const messages: Array<Message> = []
    let before: string | undefined
    const add = (subject: string, id: string, text: string, more: Readonly<Record<string, string>>) => {
      const own = headers()
      for (const [name, value] of Object.entries(more)) own.set(name, value)
      own.set("Nats-Msg-Id", id)
      if (before === undefined) own.set("Nats-Expected-Last-Sequence", String(at.last))
      else own.set("Nats-Expected-Last-Msg-Id", before)
      messages.push({ subject, payload: encoder.encode(text), headers: own })
      before = id
    }
    for (const record of records) {
      const source = sourceOf(record)
      at.sources.set(source, [at.sources.get(source)?.[0] ?? 0, seconds])
    }
    for (const [source, [, since]] of at.sources) if (since < seconds - sessionTime) at.sources.delete(source)
    const sources = [...at.sources].map(([source, [sequence, since]]) => [source, sequence, since] as const)
    const places = new Map(sources.map(([source], place) => [source, place]))
    const mark = encodeMark({
      v: RelayRecord.version,
      sources,
      records: records.map((record) => [places.get(sourceOf(record)) ?? 0, record.sequence] as const)
    })
    add(markSubject, `mark:${nonce}:${marks++}`, mark, {})
    for (const record of records) {
      add(subjectOf(record.partition), RelayRecord.idOf(record), record.text, {
        v: String(RelayRecord.version),
        t: record.name
      })
      at.sources.set(sourceOf(record), [record.sequence, seconds])
    }
    return messages
  }

  /** Publishes with an answer. */
  const asked = (message: Message | undefined) =>
    message && api.publisher.publish(message.subject, message.payload, { headers: message.headers })

  const write = Effect.fnUntraced(function* (at: Known, records: ReadonlyArray<RelayRecord.RelayRecord>) {
    const messages = chainOf(at, records, Math.floor((yield* Clock.currentTimeMillis) / 1000))
    const limit = (api.connection.info?.max_payload ?? Infinity) - headerRoom
    const large = messages.find(({ payload }) => payload.length > limit)
    if (large !== undefined) {
      return yield* new NatsError({
        description: `a message of ${large.payload.length} bytes is more than the max_payload of the server, which has to be raised`,
        code: undefined
      })
    }
    const [first, last] = [messages[0], messages.at(-1)]
    yield* api.ask(() => {
      // The last one is taken only if all are, so it answers for them; the first one says best what is wrong.
      const answer = asked(first)
      for (const { headers, payload, subject } of messages.slice(1, -1)) {
        api.connection.publish(subject, payload, { headers })
      }
      return Promise.all([answer, asked(last)])
    })
    at.last += messages.length
    confirmed = at.last
    at.room -= records.length
    if (marks % marksKept === 0) {
      // It does not matter when, or whether.
      void api.manager.streams.purge(stream, { filter: markSubject, keep: 1 }).catch(() => undefined)
    }
  })

  const newOf = ({ sources }: Known, records: ReadonlyArray<RelayRecord.RelayRecord>) => {
    const sequences = new Map<string, number>()
    return records.filter((record) => {
      const source = sourceOf(record)
      if (record.sequence <= (sequences.get(source) ?? sources.get(source)?.[0] ?? 0)) return false
      sequences.set(source, record.sequence)
      return true
    })
  }

  const publish = Effect.fnUntraced(function* (records: ReadonlyArray<RelayRecord.RelayRecord>) {
    const at = known ?? (yield* load)
    // Unknown again until all is answered.
    known = undefined
    if (at.room <= 0) {
      const now = yield* depth
      at.room = capacity - now
      if (at.room <= 0) {
        known = at
        return { _tag: "Full", depth: now } satisfies Published
      }
    }
    const added = newOf(at, records)
    if (added.length > 0) yield* write(at, added)
    known = at
    return { _tag: "Written", added: added.length, repeated: records.length - added.length } satisfies Published
  })

  return {
    /** Count of the records that are not acknowledged. */
    depth,
    /** Appends records, as `RelayBroker.publish` does. */
    publish: (records: ReadonlyArray<RelayRecord.RelayRecord>): Effect.Effect<Published, NatsError> =>
      publish(records).pipe(
        Effect.retry({ while: isConflict, schedule: Schedule.jittered(Schedule.spaced("5 millis")), times: 10 }),
        Effect.catchIf(
          // A limit that somebody has set to the stream.
          ({ code, message }) => code === codes.storeFailed && message.includes("maximum"),
          () => Effect.map(depth, (now): Published => ({ _tag: "Full", depth: now }))
        ),
        writing.withPermits(1)
      )
  }
})
