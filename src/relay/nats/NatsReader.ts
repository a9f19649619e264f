/**
 * Reads subjects of a stream behind positions: by a consumer of the server's for each subject, which acknowledges nothing and ends by
 * itself, and so changes nothing.
 *
 * It goes on where the last read ended, with what the server has sent meanwhile. Whoever asks for another position gets a new one from there:
 * nothing is lost by a read that was interrupted.
 *
 * A server that lost power has less than it had said to have, and gives its next messages positions that it has given before. So after
 * a loss of the connection, or of the consumer, a position says little. And a server of several may lag behind the others and not know.
 */
import { AckPolicy, DeliverPolicy } from "@nats-io/jetstream"
import { createInbox, type Msg, type MsgHdrs, nanos, type Subscription } from "@nats-io/transport-node"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as MonotonicTime from "../../services/MonotonicTime.ts"
import type { NatsApi, NatsError } from "./NatsApi.ts"

/** A message of a stream. */
export interface StoredMessage {
  readonly position: string
  readonly headers: MsgHdrs | undefined
  readonly text: string
}

/** Messages of a subject, in order. */
export interface SubjectMessages<K> {
  readonly key: K
  readonly messages: ReadonlyArray<StoredMessage>
}

/** Milliseconds for which the server waits with an answer to a pull. */
const pullTime = 5000

/** Milliseconds after which a pull without an answer counts as lost. */
const pullLimit = 7000

/** Milliseconds after which a consumer that nobody asks ends. */
const idleTime = 30_000

/** Milliseconds for what the server says to have, where nobody wants to wait. */
const settleTime = 2000

/** A consumer at the server. */
class Reading {
  /** Position that who reads is at. */
  after: number
  /** Position of the last message that was handed out, or of the one before the first. */
  private cursor: number
  readonly messages: Array<Msg> = []
  /** Count of messages that the server has behind the last one here. */
  pending: number
  /** Messages that are asked for, and until when. */
  pull = { count: 0, until: 0 }
  isOver = false
  /** The server says that there is nothing. */
  isQuiet = false
  /** Position of a message that there was all the same; 0 for none. */
  missing = 0
  private readonly consumer: string
  private readonly subscription: Subscription
  private readonly stream: string
  private readonly api: NatsApi

  constructor(
    api: NatsApi,
    stream: string,
    consumer: string,
    at: { readonly after: number; readonly cursor: number; readonly pending: number },
    onNews: () => void
  ) {
    this.api = api
    this.stream = stream
    this.consumer = consumer
    this.after = at.after
    this.cursor = at.cursor
    this.pending = at.pending
    this.subscription = api.connection.subscribe(createInbox(), {
      callback: (error, message) => {
        const status = error === null ? message.headers?.code : 503
        if (status === undefined || status === 0) {
          this.messages.push(message)
          this.pull.count--
          this.pending = pendingOf(message)
          this.isQuiet = false
        } else if (status === 404 || status === 408) {
          this.pull.count = 0
          this.isQuiet = true
        }
        // The consumer is gone, or its server.
        else if (status >= 400) this.isOver = true
        onNews()
      }
    })
  }

  /** Asks for as many messages as are missing, unless it has asked. */
  ask(limit: number, now: number): void {
    if (this.pull.count > 0 && now >= this.pull.until) this.isOver = true
    const count = limit - this.messages.length
    if (this.isOver || count <= 0 || this.pull.count > 0) return
    this.pull = { count, until: now + pullLimit }
    this.api.connection.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${this.stream}.${this.consumer}`,
      JSON.stringify({ batch: count, expires: nanos(pullTime) }),
      { reply: this.subscription.getSubject() }
    )
  }

  /** True where it has nothing, though there is a message at this position. */
  isMissing(position: number): boolean {
    return this.messages.length === 0 && position > this.cursor
  }

  /** True where it has as many messages as it may, or as the server has. */
  hasAll(limit: number): boolean {
    return this.isOver || this.pending === 0 || this.messages.length >= limit
  }

  /** True where there are messages, and no more are on their way. */
  hasNews(limit: number): boolean {
    return this.isOver || (this.messages.length > 0 && (this.hasAll(limit) || this.pull.count <= 0))
  }

  /** Hands messages out. */
  take(limit: number): ReadonlyArray<StoredMessage> {
    return this.messages.splice(0, limit).map((message) => {
      this.after = positionOf(message)
      this.cursor = this.after
      return { position: String(this.after), headers: message.headers, text: message.string() }
    })
  }

  /** Ends the consumer, here and at the server. */
  close(): void {
    this.isOver = true
    this.messages.length = 0
    if (this.api.connection.isClosed()) return
    this.subscription.unsubscribe()
    this.api.connection.publish(`$JS.API.CONSUMER.DELETE.${this.stream}.${this.consumer}`)
  }
}

/**
 * Numbers at the end of a message's reply subject: `$JS.ACK.<stream>.<consumer>.<delivered>.<position>.<count>.<time>.<pending>`, with a
 * domain and an account behind ACK, and a random part at the end, where servers are later.
 */
const numberOf = ({ reply = "" }: Msg, index: number) => {
  const tokens = reply.split(".")
  return Number(tokens[tokens.length === 9 ? index : index + 2])
}

const positionOf = (message: Msg) => numberOf(message, 5)
const pendingOf = (message: Msg) => numberOf(message, 8)

/** Options of a reader. */
export interface ReaderOptions<K> {
  readonly stream: string
  readonly subjectOf: (key: K) => string
  /**
   * True where who reads leaves out what it has. After a loss it gets all that is there, from the first message on, whatever position it
   * names. Otherwise only where the stream ends before that position.
   */
  readonly repeats: boolean
}

/** Reader of a stream, until the scope closes. */
export const make = Effect.fnUntraced(function* <K>(api: NatsApi, { repeats, stream, subjectOf }: ReaderOptions<K>) {
  const clock = yield* Clock.Clock
  const now = () => MonotonicTime.of(clock)
  const readings = new Map<K, Reading>()
  const waiting = new Set<() => void>()
  const onNews = () => {
    for (const look of waiting) look()
  }

  /** The last position that was handed out, and what it was at the last loss. */
  let handedOut = 0
  let doubtful = 0

  const removeListener = api.onLost(() => {
    doubtful = handedOut
    for (const reading of readings.values()) reading.isOver = true
    onNews()
  })
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      removeListener()
      for (const reading of readings.values()) reading.close()
    })
  )

  const open = (key: K, position: number, from = position) =>
    Effect.map(
      api.ask(() =>
        api.manager.consumers.add(stream, {
          ack_policy: AckPolicy.None,
          deliver_policy: DeliverPolicy.StartSequence,
          opt_start_seq: from + 1,
          filter_subject: subjectOf(key),
          inactive_threshold: nanos(idleTime),
          mem_storage: true,
          num_replicas: 1
        })
      ),
      ({ name, num_pending }) => {
        readings.get(key)?.close()
        const reading = new Reading(api, stream, name, { after: position, cursor: from, pending: num_pending }, onNews)
        readings.set(key, reading)
        return reading
      }
    )

  /** Opens again after a loss. */
  const reopen = Effect.fnUntraced(function* (key: K, position: number) {
    doubtful = handedOut
    if (repeats) return yield* open(key, position, 0)
    const { state } = yield* api.ask(() => api.manager.streams.info(stream))
    return yield* open(key, position, state.last_seq < position ? 0 : position)
  })

  /** Opens again where the server says a second time that there is nothing, and there is: at another server perhaps. */
  const check = Effect.fnUntraced(function* (key: K, reading: Reading) {
    reading.isQuiet = false
    const last = yield* api.last(stream, subjectOf(key))
    if (last === undefined || !reading.isMissing(last.position)) return reading
    if (reading.isMissing(reading.missing)) return yield* reopen(key, reading.after)
    reading.missing = last.position
    return reading
  })

  /** Waits until something is so, for a time at most. */
  const waitUntil = (isSo: () => boolean, time: Duration.Duration) =>
    Effect.timeoutOption(
      Effect.callback<void>((resume) => {
        const look = () => {
          if (!isSo()) return
          waiting.delete(look)
          resume(Effect.void)
        }
        waiting.add(look)
        look()
        return Effect.sync(() => waiting.delete(look))
      }),
      time
    )

  /** Others may have what nobody asks for here, and handle it. */
  const closeOthers = (asked: ReadonlySet<Reading>) => {
    for (const reading of readings.values()) if (!reading.isOver && !asked.has(reading)) reading.close()
  }

  const readingAt = (key: K, position: number, isAtOnce: boolean) => {
    const reading = readings.get(key)
    // Only a new one knows the messages of this moment.
    if (isAtOnce || reading === undefined) return open(key, position)
    if (reading.isOver) return reopen(key, position)
    if (reading.after !== position) return open(key, position)
    return reading.isQuiet ? check(key, reading) : Effect.succeed(reading)
  }

  const read = Effect.fnUntraced(function* (
    after: ReadonlyMap<K, string | undefined>,
    { limit, wait }: { readonly limit: number; readonly wait: Duration.Duration }
  ): Effect.fn.Return<ReadonlyArray<SubjectMessages<K>>, NatsError> {
    const isAtOnce = Duration.isZero(wait)
    const asked = yield* Effect.forEach(
      after,
      ([key, text]) => {
        const position = Number(text ?? 0)
        return Effect.map(readingAt(key, position, isAtOnce), (reading) => ({ key, reading }))
      },
      { concurrency: "unbounded" }
    )
    for (const { reading } of asked) reading.ask(limit, now())
    closeOthers(new Set(asked.map(({ reading }) => reading)))
    yield* isAtOnce
      ? waitUntil(() => asked.every(({ reading }) => reading.hasAll(limit)), Duration.millis(settleTime))
      : waitUntil(() => asked.some(({ reading }) => reading.hasNews(limit)), wait)
    return asked.flatMap(({ key, reading }) => {
      const messages = reading.take(limit)
      handedOut = Math.max(handedOut, Number(messages.at(-1)?.position ?? 0))
      return messages.length === 0 ? [] : [{ key, messages }]
    })
  })

  return {
    /** Messages behind positions, as `RelayBroker.read` has them. */
    read,
    /** Position up to which messages may be others by now than those that were handed out. */
    doubtful: () => doubtful
  }
})
