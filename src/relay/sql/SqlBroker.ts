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
import { failureText } from "../../services/FailureText.ts"
import * as TimeLimit from "../../services/TimeLimit.ts"
import {
  type BrokerOptions,
  type ChannelMessage,
  defaults,
  type PartitionEntries,
  RelayBroker,
  RelayBrokerError,
  unansweredWait
} from "../RelayBroker.ts"
import * as RelayRecord from "../RelayRecord.ts"
import type { RelayEntry } from "../RelayRecord.ts"
import * as SqlLeases from "./SqlLeases.ts"
import * as SqlPublishing from "./SqlPublishing.ts"
import * as SqlRelayNews from "./SqlRelayNews.ts"
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

/** Interval at which what is too old is removed, and counts are summed up. */
const cleaningInterval = Duration.seconds(10)

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

  const tables = yield* run(SqlRelayTables.openFor(sql, options.name, options.partitions ?? defaults.partitions))
  const { bot, partitions, table } = tables
  const news = yield* SqlRelayNews.make(client, bot)
  const publish = SqlPublishing.make(tables, options.capacity ?? defaults.capacity)

  const entriesAfter = (after: SqlRelayNews.Question, limit: number) =>
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

  const readNow = (after: ReadonlyMap<number, string | undefined>, limit: number) =>
    Effect.map(
      news.askWhereNew(after, (question) => run(entriesAfter(question, limit))),
      (rows): ReadonlyArray<PartitionEntries> => {
        const read = new Map<number, Array<RelayEntry>>()
        for (const { partition, ...entry } of rows) {
          const entries = read.get(partition)
          if (entries === undefined) read.set(partition, [entry])
          else entries.push(entry)
        }
        return [...read].map(([partition, entries]) => ({ partition, entries }))
      }
    )

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
        const next = news
          .lookFor(look, (told) => told === SqlRelayNews.messagesNews, SqlRelayNews.longestQuiet)
          .pipe(
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

  const status = sql<{
    readonly depth: number
    readonly age: number
    readonly deadLetters: number
    readonly consumers: number
  }>`
    SELECT
      (${SqlPublishing.depthOf(tables)}) AS depth,
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
    read: (after, { limit, wait }) => news.lookFor(readNow(after, limit), (told) => after.has(Number(told)), wait),
    acknowledge: (keys) => {
      const handled = [...keys].flatMap(([partition, own]) => own.map(({ position }) => ({ partition, position })))
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
    lease: (consumer, time) => run(SqlLeases.lease(tables, consumer, time)),
    release: (consumer, released) => Effect.asVoid(run(SqlLeases.release(tables, consumer, released))),
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
          SELECT pg_notify(${SqlRelayNews.channelOf(bot)}, ${SqlRelayNews.messagesNews})`)
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
