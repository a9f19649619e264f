/**
 * Publishing to PostgreSQL: a statement for a batch, which is written as a whole or not at all.
 */
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import { type Published, RelayBrokerError } from "../RelayBroker.ts"
import * as RelayRecord from "../RelayRecord.ts"
import { allNews, channelOf } from "./SqlRelayNews.ts"
import type { BotTables } from "./SqlRelayTables.ts"

/** Name of a record's session and shard. */
const sessionOf = ({ session, shard }: RelayRecord.RelayRecord) => `${session}:${shard}`

/** Count of the bot's entries. */
export const depthOf = ({ bot, sql, table }: BotTables) =>
  sql`SELECT coalesce(sum(count), 0)::float8 FROM ${table.counts} WHERE bot = ${bot}`

/** Publishes for a bot that may have so many entries. */
export const make = (tables: BotTables, capacity: number) => {
  const { bot, sql, table } = tables
  const depth = depthOf(tables)
  /** Sessions that have a row, which a statement can lock. */
  const known = new Set<string>()

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
        SELECT pg_notify(${channelOf(bot)}, CASE WHEN length(list) > 4000 THEN ${allNews} ELSE list END)
        FROM (SELECT string_agg(DISTINCT partition::text, ',') AS list FROM fresh) AS partitions
        WHERE list IS NOT NULL
      )
      SELECT
        (SELECT count(*) FROM opened)::integer AS opened,
        (SELECT count(*) FROM seen)::integer AS sessions,
        (SELECT count(*) FROM fresh)::integer AS added,
        (SELECT count(*) FROM told)::integer AS told`

  return (records: ReadonlyArray<RelayRecord.RelayRecord>): Effect.Effect<Published, SqlError | RelayBrokerError> =>
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
          return yield* new RelayBrokerError({ description: `it has no bot of the id ${bot} any more` })
        }
        if (found.depth >= capacity) return { _tag: "Full", depth: found.depth }
      }
    })
}
