/**
 * News of a bot's entries on PostgreSQL: the partitions that have new ones, so one in which there was nothing to read is not asked again
 * before.
 *
 * A notification is a list of partitions, or one of two words.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import * as MonotonicTime from "../../services/MonotonicTime.ts"
import { Signal } from "../../services/Signal.ts"
import * as SqlNews from "../../services/SqlNews.ts"
import type { RelayBrokerError } from "../RelayBroker.ts"

/** Notification of messages. */
export const messagesNews = "messages"

/** Notification of entries in more partitions than one can name. */
export const allNews = "all"

/** Channel of a bot. */
export const channelOf = (bot: number): string => `disruption_gateway_relay_${bot}`

/** Interval at which the tables are read where no news is heard. */
const pollInterval = Duration.millis(250)

/** The same where it is: a connection whose peer is gone hears none, and is not told so. */
export const longestQuiet = Duration.seconds(5)

/** A question for the entries of partitions after positions. */
export type Question = ReadonlyArray<readonly [partition: number, position: string | undefined]>

/** A reader that waits. */
interface Waiting {
  readonly isFor: (news: string) => boolean
  readonly signal: Signal
}

/** Hears the news of a bot until the scope closes. */
export const make = Effect.fnUntraced(function* (client: SqlClient.SqlClient, bot: number) {
  const waiting = new Set<Waiting>()
  /** Partitions in which there was nothing after a position, and of which there was no news since. */
  const quiet = new Map<number, { readonly position: string | undefined; readonly since: number }>()

  const tell = (news: string) => {
    for (const { isFor, signal } of waiting) if (isFor(news)) signal.notify()
  }
  const { expect, isHeard } = yield* SqlNews.make(client, channelOf(bot), (payload) => {
    if (payload === messagesNews) return tell(messagesNews)
    if (payload === undefined || payload === allNews) {
      quiet.clear()
      for (const { signal } of waiting) signal.notify()
      return
    }
    for (const partition of payload.split(",")) {
      quiet.delete(Number(partition))
      tell(partition)
    }
  })

  /** Looks until there is something, again with each news for it, for a while at most. */
  const lookFor = Effect.fnUntraced(function* <A>(
    look: Effect.Effect<ReadonlyArray<A>, RelayBrokerError>,
    isFor: (news: string) => boolean,
    wait: Duration.Duration
  ) {
    const own = { isFor, signal: new Signal() }
    yield* Effect.acquireRelease(
      Effect.sync(() => waiting.add(own)),
      () => Effect.sync(() => waiting.delete(own))
    )
    const until = (yield* MonotonicTime.now) + Duration.toMillis(wait)
    for (;;) {
      own.signal.reset()
      const found = yield* look
      const rest = until - (yield* MonotonicTime.now)
      if (found.length > 0 || rest <= 0) return found
      const interval = Duration.toMillis(isHeard() ? longestQuiet : pollInterval)
      yield* Effect.timeoutOption(own.signal.wait, Duration.millis(Math.min(rest, interval)))
    }
  }, Effect.scoped)

  /** Asks of these partitions only those in which there may be something. `ask` gives the partitions of each row. */
  const askWhereNew = Effect.fnUntraced(function* <A extends { readonly partition: number }, E, R>(
    after: ReadonlyMap<number, string | undefined>,
    ask: (question: Question) => Effect.Effect<ReadonlyArray<A>, E, R>
  ) {
    const since = yield* MonotonicTime.now
    const overdue = new Set<number>()
    const question = [...after].filter(([partition, position]) => {
      const known = quiet.get(partition)
      if (known === undefined || known.position !== position || !isHeard()) return true
      const isOverdue = since - known.since >= Duration.toMillis(longestQuiet)
      if (isOverdue) overdue.add(partition)
      return isOverdue
    })
    if (question.length === 0) return []
    // Before the question: what is told while it is asked may be missing in the answer.
    for (const [partition, position] of question) quiet.set(partition, { position, since })
    const rows = yield* Effect.onError(ask(question), () =>
      Effect.sync(() => {
        for (const [partition] of question) quiet.delete(partition)
      })
    )
    for (const { partition } of rows) quiet.delete(partition)
    if (rows.some(({ partition }) => overdue.has(partition))) yield* expect
    return rows
  })

  return { lookFor, askWhereNew }
})
