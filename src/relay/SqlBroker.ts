/**
 * Broker on PostgreSQL: a table of entries, out of which those are deleted that are acknowledged, and one statement for whatever has
 * to be one step.
 *
 * Relays of one bot write one after the other, by the lock of the bot's row, so positions are in the order of the commits and a reader
 * never sees an entry before those that precede it. Reading locks nothing. New entries are told by NOTIFY; a partition in which there
 * was nothing to read is not asked again before there is.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import { failureText } from "../services/FailureText.ts"
import * as MonotonicTime from "../services/MonotonicTime.ts"
import { Signal } from "../services/Signal.ts"
import * as SqlNews from "../services/SqlNews.ts"
import * as TimeLimit from "../services/TimeLimit.ts"
import {
  type BrokerOptions,
  type ChannelMessage,
  defaults,
  type LeasedPartition,
  type PartitionEntries,
  type Published,
  RelayBroker,
  RelayBrokerError
} from "./RelayBroker.ts"
import * as RelayRecord from "./RelayRecord.ts"
import type { RelayEntry } from "./RelayRecord.ts"
import * as SqlRelayTables from "./SqlRelayTables.ts"

/**
 * A broker on PostgreSQL 14 or later, whose tables it creates. Relay and consumers need a client each, with two connections or more:
 * one is for the news.
 *
 * ```ts
 * SqlBroker.layer({ name: "my-bot" }).pipe(
 *   Layer.provide(PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: BrokerOptions): Layer.Layer<RelayBroker, RelayBrokerError, SqlClient.SqlClient> =>
  Layer.effect(
    RelayBroker,
    Effect.flatMap(SqlClient.SqlClient, (client) => make(options, client))
  )

/** Time limit of a statement. */
const statementTime = Duration.seconds(10)

/** Interval at which the tables are read where no news is heard. */
const pollInterval = Duration.millis(250)

/** The same where it is: a connection whose peer is gone hears none. */
const longestQuiet = Duration.seconds(5)

const cleaningInterval = Duration.seconds(10)

/** The wait between tries while the database does not answer. */
const unansweredWait = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")])

const failed = (error: SqlError | RelayBrokerError) =>
  error._tag === "SqlError" ? new RelayBrokerError({ description: failureText(error) }) : error

const make = Effect.fnUntraced(function* (options: BrokerOptions, client: SqlClient.SqlClient) {
  const isPostgres = client.onDialectOrElse({ pg: () => true, orElse: () => false })
  if (!isPostgres) {
    return yield* new RelayBrokerError({ description: "of the SQL databases it is on PostgreSQL alone" })
  }
  const sql = client.withoutTransforms()
  const scope = yield* Effect.scope
  const withinTime = TimeLimit.make(
    scope,
    statementTime,
    new RelayBrokerError({ description: "PostgreSQL does not answer" })
  )
  /** Fails as brokers do, and after a time. */
  const run = <A>(effect: Effect.Effect<A, SqlError | RelayBrokerError>) => withinTime(Effect.mapError(effect, failed))

  const capacity = options.capacity ?? defaults.capacity
  const { id: bot, partitions } = yield* run(
    Effect.andThen(
      SqlRelayTables.open(sql),
      SqlRelayTables.botOf(sql, options.name, options.partitions ?? defaults.partitions)
    )
  )
  const table = {
    bots: sql(SqlRelayTables.names.bots),
    entries: sql(SqlRelayTables.names.entries),
    counts: sql(SqlRelayTables.names.counts),
    sequences: sql(SqlRelayTables.names.sequences),
    leases: sql(SqlRelayTables.names.leases),
    consumers: sql(SqlRelayTables.names.consumers),
    messages: sql(SqlRelayTables.names.messages),
    texts: sql(SqlRelayTables.names.texts),
    deadLetters: sql(SqlRelayTables.names.deadLetters)
  }
  const channelName = `disruption_gateway_relay_${bot}`

  // -------------------------------------------------------------------------------------------------------------------
  // News: the partitions that have new entries, or "messages"
  // -------------------------------------------------------------------------------------------------------------------

  interface Waiting {
    readonly isFor: (news: string) => boolean
    readonly signal: Signal
  }
  const waiting = new Set<Waiting>()
  /** Partitions in which there was nothing after a position, and of which there was no news since. */
  const quiet = new Map<number, { readonly position: string | undefined; readonly since: number }>()

  const onNews = (news: string) => {
    for (const { isFor, signal } of waiting) if (isFor(news)) signal.notify()
  }
  const news = yield* SqlNews.make(client, channelName, (payload) => {
    if (payload === messagesNews) return onNews(messagesNews)
    if (payload === undefined || payload === allNews) {
      quiet.clear()
      for (const { signal } of waiting) signal.notify()
      return
    }
    for (const partition of payload.split(",")) {
      quiet.delete(Number(partition))
      onNews(partition)
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
      const interval = Duration.toMillis(news.isHeard() ? longestQuiet : pollInterval)
      yield* Effect.timeoutOption(own.signal.wait, Duration.millis(Math.min(rest, interval)))
    }
  }, Effect.scoped)

  // -------------------------------------------------------------------------------------------------------------------
  // Publishing
  // -------------------------------------------------------------------------------------------------------------------

  /** Sessions that have a row, which a statement can lock. */
  const known = new Set<string>()

  const depth = sql`SELECT coalesce(sum(count), 0)::float8 FROM ${table.counts} WHERE bot = ${bot}`

  const know = (sessions: ReadonlyArray<string>) =>
    sql`
      INSERT INTO ${table.sequences} (bot, session, sequence)
      SELECT ${bot}, session, 0 FROM unnest(${sessions.toSorted()}::text[]) AS session
      ON CONFLICT (bot, session) DO NOTHING`.pipe(
      Effect.andThen(
        Effect.sync(() => {
          if (known.size > 1000) known.clear()
          for (const session of sessions) known.add(session)
        })
      )
    )

  /**
   * The row of the bot is locked first, until the commit, and the rows of the sessions are read as they are under that lock. So no two
   * relays write at once, and a batch that an earlier relay was writing when it was killed is there or is not.
   */
  const write = (records: ReadonlyArray<RelayRecord.RelayRecord>, sessions: ReadonlyArray<string>) =>
    sql<{ readonly opened: number; readonly sessions: number; readonly added: number }>`
      WITH opened AS (
        UPDATE ${table.bots} SET position = position + ${records.length}
        WHERE id = ${bot} AND (${depth}) < ${capacity}
        RETURNING position - ${records.length} AS start
      ),
      seen AS (
        SELECT seen.session, seen.sequence, opened.start FROM opened, ${table.sequences} AS seen
        WHERE seen.bot = ${bot} AND seen.session = ANY(${sessions}::text[])
        FOR UPDATE OF seen
      ),
      records AS (
        SELECT * FROM unnest(
          ${records.map(sessionOf)}::text[],
          ${records.map(({ sequence }) => String(sequence))}::bigint[],
          ${records.map(({ partition }) => String(partition))}::integer[],
          ${records.map(({ name }) => name)}::text[],
          ${records.map(({ text }) => text)}::text[]
        ) WITH ORDINALITY AS record (session, sequence, partition, event, payload, place)
      ),
      ranked AS (
        SELECT records.*, seen.start, greatest(seen.sequence, max(records.sequence) OVER (
          PARTITION BY records.session ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )) AS last
        FROM records JOIN seen USING (session)
        WHERE (SELECT count(*) FROM seen) = ${sessions.length}
      ),
      fresh AS (SELECT * FROM ranked WHERE sequence > last),
      written AS (
        INSERT INTO ${table.entries} (bot, partition, position, version, id, event, payload)
        SELECT ${bot}, partition, start + place, ${RelayRecord.version}, session || ':' || sequence, event, payload
        FROM fresh
      ),
      marked AS (
        INSERT INTO ${table.sequences} AS stored (bot, session, sequence)
        SELECT ${bot}, session, max(sequence) FROM fresh GROUP BY session
        ON CONFLICT (bot, session) DO UPDATE SET sequence = excluded.sequence, written = now()
      ),
      told AS (
        SELECT pg_notify(${channelName}, CASE WHEN length(list) > 4000 THEN ${allNews} ELSE list END)
        FROM (SELECT string_agg(DISTINCT partition::text, ',') AS list FROM fresh) AS partitions
        WHERE list IS NOT NULL
      )
      SELECT
        (SELECT count(*) FROM opened)::integer AS opened,
        (SELECT count(*) FROM seen)::integer AS sessions,
        (SELECT count(*) FROM fresh)::integer AS added,
        (SELECT count(*) FROM told)::integer AS told`

  const publish = (
    records: ReadonlyArray<RelayRecord.RelayRecord>
  ): Effect.Effect<Published, SqlError | RelayBrokerError> =>
    Effect.gen(function* () {
      const sessions = [...new Set(records.map(sessionOf))].toSorted()
      for (;;) {
        const unknown = sessions.filter((session) => !known.has(session))
        if (unknown.length > 0) yield* know(unknown)
        const [written] = yield* write(records, sessions)
        if (written?.opened === 1) {
          if (written.sessions === sessions.length) {
            return { _tag: "Written", added: written.added, repeated: records.length - written.added }
          }
          // Rows that were too old, and removed.
          known.clear()
          continue
        }
        const [found] = yield* sql<{ readonly depth: number }>`
          SELECT (${depth}) AS depth FROM ${table.bots} WHERE id = ${bot}`
        if (found === undefined) {
          return yield* new RelayBrokerError({ description: `it has no bot of the name ${options.name} any more` })
        }
        if (found.depth >= capacity) return { _tag: "Full", depth: found.depth }
      }
    })

  // -------------------------------------------------------------------------------------------------------------------
  // Reading
  // -------------------------------------------------------------------------------------------------------------------

  const entriesAfter = (
    after: ReadonlyArray<readonly [partition: number, position: string | undefined]>,
    limit: number
  ) =>
    sql<RelayEntry & { readonly partition: number }>`
      SELECT wanted.partition, entry.position::text AS position, entry.version, entry.id, entry.event AS name,
        entry.payload AS text
      FROM unnest(
        ${after.map(([partition]) => String(partition))}::integer[],
        ${after.map(([, position]) => position ?? "0")}::bigint[]
      ) AS wanted (partition, after)
      CROSS JOIN LATERAL (
        SELECT * FROM ${table.entries} AS entry
        WHERE entry.bot = ${bot} AND entry.partition = wanted.partition AND entry.position > wanted.after
        ORDER BY entry.position LIMIT ${limit}
      ) AS entry
      ORDER BY wanted.partition, entry.position`

  /** Reads those in which there may be something. */
  const readNow = Effect.fnUntraced(function* (after: ReadonlyMap<number, string | undefined>, limit: number) {
    const since = yield* MonotonicTime.now
    const overdue = new Set<number>()
    const asked = [...after].filter(([partition, position]) => {
      const known = quiet.get(partition)
      if (known === undefined || known.position !== position || !news.isHeard()) return true
      // A connection whose peer is gone hears nothing, and is not told so.
      const isOverdue = since - known.since >= Duration.toMillis(longestQuiet)
      if (isOverdue) overdue.add(partition)
      return isOverdue
    })
    if (asked.length === 0) return []
    // Before the question: what is told while it is asked may be missing in the answer.
    for (const [partition, position] of asked) quiet.set(partition, { position, since })
    const forget = Effect.sync(() => {
      for (const [partition] of asked) quiet.delete(partition)
    })
    const rows = yield* Effect.onError(run(entriesAfter(asked, limit)), () => forget)
    const read = new Map<number, Array<RelayEntry>>()
    for (const { partition, ...entry } of rows) {
      const entries = read.get(partition)
      if (entries === undefined) read.set(partition, [entry])
      else entries.push(entry)
    }
    for (const partition of read.keys()) quiet.delete(partition)
    if (overdue.size > 0 && [...read.keys()].some((partition) => overdue.has(partition))) yield* news.expect
    return [...read].map(([partition, entries]): PartitionEntries => ({ partition, entries }))
  })

  // -------------------------------------------------------------------------------------------------------------------
  // Channels
  // -------------------------------------------------------------------------------------------------------------------

  const messagesAfter = (channel: string, last: string) =>
    sql<ChannelMessage>`
      SELECT message.position::text AS position, message.text FROM ${table.messages} AS message
      WHERE message.bot = ${bot} AND message.channel = ${channel} AND message.position > ${last}::bigint
        AND message.written > now() - INTERVAL '10 minutes'
      ORDER BY message.position LIMIT 1000`

  const positionNow = Effect.map(
    sql<{ readonly position: string }>`SELECT position::text AS position FROM ${table.bots} WHERE id = ${bot}`,
    ([row]) => row?.position ?? "0"
  )

  const follow = (channel: string, fromStart: boolean): Stream.Stream<ChannelMessage, RelayBrokerError> =>
    Stream.unwrap(
      Effect.map(fromStart ? Effect.succeed("0") : run(positionNow), (start) => {
        let last = start
        const look = Effect.suspend(() => run(messagesAfter(channel, last)))
        const next = lookFor(look, (payload) => payload === messagesNews, longestQuiet).pipe(
          Effect.retry(unansweredWait),
          Effect.map((messages) => {
            last = messages.at(-1)?.position ?? last
            return messages
          })
        )
        return Stream.flatMap(Stream.fromEffectRepeat(next), Stream.fromIterable)
      })
    )

  const clean = run(
    Effect.all(
      [
        sql`
          DELETE FROM ${table.messages} AS message WHERE bot = ${bot} AND (
            written <= now() - INTERVAL '10 minutes' OR position <= (
              SELECT later.position FROM ${table.messages} AS later
              WHERE later.bot = message.bot AND later.channel = message.channel
              ORDER BY later.position DESC OFFSET 1000 LIMIT 1
            )
          )`,
        sql`DELETE FROM ${table.sequences} WHERE bot = ${bot} AND written <= now() - INTERVAL '2 days'`,
        sql`
          WITH summed AS (DELETE FROM ${table.counts} WHERE bot = ${bot} RETURNING count)
          INSERT INTO ${table.counts} (bot, count)
          SELECT ${bot}, sum(count) FROM summed HAVING count(*) > 0`,
        // Without waiting for a consumer that is heard of at this moment.
        sql`
          DELETE FROM ${table.consumers} WHERE bot = ${bot} AND consumer IN (
            SELECT consumer FROM ${table.consumers} WHERE bot = ${bot} AND expires <= now() - INTERVAL '1 minute'
            FOR UPDATE SKIP LOCKED
          )`
      ],
      { discard: true }
    )
  )
  yield* Effect.forkScoped(Effect.repeat(Effect.ignore(clean), Schedule.spaced(cleaningInterval)))

  // -------------------------------------------------------------------------------------------------------------------
  // Leases
  // -------------------------------------------------------------------------------------------------------------------

  const lease = (consumer: string, seconds: number) =>
    sql<LeaseRow>`
      WITH joined AS (
        INSERT INTO ${table.consumers} (bot, consumer, expires)
        VALUES (${bot}, ${consumer}, now() + ${seconds}::float8 * INTERVAL '1 second')
        ON CONFLICT (bot, consumer) DO UPDATE SET expires = excluded.expires
      ),
      share AS (
        SELECT ceil(${partitions}::float8 / (1 + count(*)))::integer AS size FROM ${table.consumers}
        WHERE bot = ${bot} AND consumer <> ${consumer} AND expires > now()
      ),
      possible AS (
        SELECT partition, epoch, losses, consumer FROM ${table.leases}
        WHERE bot = ${bot} AND (consumer = ${consumer} OR consumer IS NULL OR expires <= now())
        ORDER BY partition FOR UPDATE
      ),
      own AS (SELECT count(*)::integer AS count FROM possible WHERE consumer = ${consumer}),
      taken AS (
        SELECT partition, epoch + 1 AS epoch, losses + CASE WHEN consumer IS NULL THEN 0 ELSE 1 END AS losses
        FROM possible WHERE consumer IS DISTINCT FROM ${consumer}
        ORDER BY partition LIMIT (SELECT greatest(0, size - count) FROM share, own)
      ),
      held AS (
        SELECT partition, epoch, losses FROM possible WHERE consumer = ${consumer}
        UNION ALL SELECT partition, epoch, losses FROM taken
      ),
      renewed AS (
        UPDATE ${table.leases} AS stored
        SET consumer = ${consumer}, epoch = held.epoch, losses = held.losses,
          expires = now() + ${seconds}::float8 * INTERVAL '1 second'
        FROM held WHERE stored.bot = ${bot} AND stored.partition = held.partition
      )
      SELECT (SELECT greatest(0, count - size) FROM share, own) AS surplus, held.partition, held.epoch::text AS epoch,
        held.losses, (
          SELECT entry.position::text FROM ${table.entries} AS entry
          WHERE entry.bot = ${bot} AND entry.partition = held.partition ORDER BY entry.position DESC LIMIT 1
        ) AS last
      FROM (SELECT 1) AS one LEFT JOIN held ON TRUE ORDER BY held.partition`

  const status = sql<{
    readonly depth: number
    readonly age: number
    readonly deadLetters: number
    readonly consumers: number
  }>`
    SELECT
      (${depth}) AS depth,
      coalesce((
        SELECT greatest(0, extract(EPOCH FROM clock_timestamp() - min(written)) * 1000)
        FROM generate_series(0, ${partitions}::integer - 1) AS numbers (partition)
        CROSS JOIN LATERAL (
          SELECT written FROM ${table.entries} AS entry
          WHERE entry.bot = ${bot} AND entry.partition = numbers.partition ORDER BY entry.position LIMIT 1
        ) AS oldest
      ), 0)::float8 AS age,
      (SELECT count(*) FROM ${table.deadLetters} WHERE bot = ${bot})::float8 AS "deadLetters",
      (SELECT count(*) FROM ${table.consumers} WHERE bot = ${bot} AND expires > now())::float8 AS consumers`

  return RelayBroker.of({
    name: options.name,
    partitions,
    publish: (records) => run(publish(records)),
    read: (after, { limit, wait }) => lookFor(readNow(after, limit), (payload) => after.has(Number(payload)), wait),
    acknowledge: (positions) => {
      const handled = [...positions].flatMap(([partition, own]) => own.map((position) => ({ partition, position })))
      return Effect.asVoid(
        run(sql`
          WITH handled AS (
            SELECT * FROM unnest(
              ${handled.map(({ partition }) => String(partition))}::integer[],
              ${handled.map(({ position }) => position)}::bigint[]
            ) AS handled (partition, position)
          ),
          gone AS (
            DELETE FROM ${table.entries} AS entry USING handled
            WHERE entry.bot = ${bot} AND entry.partition = handled.partition AND entry.position = handled.position
          ),
          lost AS (
            SELECT partition FROM ${table.leases}
            WHERE bot = ${bot} AND losses > 0 AND partition IN (SELECT partition FROM handled)
            ORDER BY partition FOR UPDATE
          )
          UPDATE ${table.leases} AS stored SET losses = 0
          FROM lost WHERE stored.bot = ${bot} AND stored.partition = lost.partition`)
      )
    },
    lease: (consumer, time) =>
      Effect.map(run(lease(consumer, Duration.toSeconds(time))), (rows) => ({
        surplus: rows[0]?.surplus ?? 0,
        held: rows.flatMap(({ epoch, last, losses, partition }): ReadonlyArray<LeasedPartition> =>
          partition === null ? [] : [{ partition, epoch: Number(epoch), losses: losses ?? 0, last: last ?? undefined }]
        )
      })),
    release: (consumer, released) =>
      Effect.asVoid(
        run(sql`
          WITH given AS (
            SELECT lease.partition FROM ${table.leases} AS lease, unnest(
              ${released.map(({ partition }) => String(partition))}::integer[],
              ${released.map(({ epoch }) => String(epoch))}::bigint[]
            ) AS given (partition, epoch)
            WHERE lease.bot = ${bot} AND lease.consumer = ${consumer} AND lease.partition = given.partition
              AND lease.epoch = given.epoch
            ORDER BY lease.partition FOR UPDATE OF lease
          )
          UPDATE ${table.leases} AS stored SET consumer = NULL
          FROM given WHERE stored.bot = ${bot} AND stored.partition = given.partition`)
      ),
    leave: (consumer) =>
      Effect.asVoid(run(sql`DELETE FROM ${table.consumers} WHERE bot = ${bot} AND consumer = ${consumer}`)),
    setAside: ({ attempts, cause, id, name, text }) =>
      Effect.asVoid(
        run(sql`
          INSERT INTO ${table.deadLetters} (bot, version, id, event, payload, cause, attempts)
          VALUES (${bot}, ${RelayRecord.version}, ${id}, ${name}, ${text}, ${cause}, ${attempts})`)
      ),
    deadLetters: (limit) =>
      Effect.map(
        run(sql<{
          readonly id: string
          readonly name: string
          readonly text: string
          readonly cause: string
          readonly attempts: number
        }>`
          SELECT id, event AS name, payload AS text, cause, attempts FROM ${table.deadLetters}
          WHERE bot = ${bot} ORDER BY position DESC LIMIT ${limit}`),
        (rows) => rows.toReversed()
      ),
    status: Effect.flatMap(run(status), ([row]) =>
      row === undefined
        ? Effect.fail(new RelayBrokerError({ description: "PostgreSQL has answered with nothing" }))
        : Effect.succeed({ ...row, age: Math.round(row.age) })
    ),
    post: (channel, text) =>
      Effect.asVoid(
        run(sql`
          WITH opened AS (UPDATE ${table.bots} SET position = position + 1 WHERE id = ${bot} RETURNING position),
          posted AS (
            INSERT INTO ${table.messages} (bot, channel, position, text)
            SELECT ${bot}, ${channel}, position, ${text} FROM opened
          )
          SELECT pg_notify(${channelName}, ${messagesNews})`)
      ),
    follow: (channel, { fromStart }) => follow(channel, fromStart),
    claim: (channel, position) =>
      Effect.map(
        run(sql`
          DELETE FROM ${table.messages}
          WHERE bot = ${bot} AND channel = ${channel} AND position = ${position}::bigint RETURNING 1 AS claimed`),
        ({ length }) => length === 1
      ),
    put: (name, text) =>
      Effect.asVoid(
        run(sql`
          INSERT INTO ${table.texts} (bot, name, text) VALUES (${bot}, ${name}, ${text})
          ON CONFLICT (bot, name) DO UPDATE SET text = excluded.text`)
      ),
    texts: Effect.map(
      run(
        sql<{ readonly name: string; readonly text: string }>`SELECT name, text FROM ${table.texts} WHERE bot = ${bot}`
      ),
      (rows) => new Map(rows.map(({ name, text }) => [name, text]))
    ),
    remove: (name) => Effect.asVoid(run(sql`DELETE FROM ${table.texts} WHERE bot = ${bot} AND name = ${name}`))
  })
})

interface LeaseRow {
  readonly surplus: number
  /** Null in the one row of a consumer that holds nothing. */
  readonly partition: number | null
  readonly epoch: string | null
  readonly losses: number | null
  readonly last: string | null
}

/** News of messages, and of more partitions than a notification can name. */
const messagesNews = "messages"
const allNews = "all"

/** Name of a record's session and shard. */
const sessionOf = ({ session, shard }: RelayRecord.RelayRecord) => `${session}:${shard}`
