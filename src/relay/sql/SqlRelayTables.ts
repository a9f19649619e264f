/**
 * Tables of the broker on PostgreSQL, for all bots of a database.
 */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type * as Statement from "effect/sql/Statement"
import { RelayBrokerError } from "../RelayBroker.ts"

/** Version of the tables. It is raised by a change that an earlier release would read or write wrongly. */
const version = 1

/** Names of the tables. */
const names = {
  schema: "disruption_gateway_relay_schema",
  bots: "disruption_gateway_relay_bots",
  entries: "disruption_gateway_relay_entries",
  counts: "disruption_gateway_relay_counts",
  sequences: "disruption_gateway_relay_sequences",
  leases: "disruption_gateway_relay_leases",
  consumers: "disruption_gateway_relay_consumers",
  messages: "disruption_gateway_relay_messages",
  texts: "disruption_gateway_relay_texts",
  deadLetters: "disruption_gateway_relay_dead_letters"
}

/** Creates the tables where they are not there yet, and refuses those of a later release. */
const open = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
  yield* Effect.flatMap(isThere(sql), (is) => (is ? Effect.void : sql.withTransaction(create(sql))))
  const [schema] = yield* sql<{ readonly version: number }>`SELECT version FROM ${sql(names.schema)}`
  const found = schema?.version ?? 0
  if (found <= version) return
  return yield* new RelayBrokerError({
    description: `its tables are of version ${found}, which a later release has made, and this one knows up to ${version}`
  })
})

const isThere = (sql: SqlClient.SqlClient) =>
  Effect.map(
    sql<{ readonly is: boolean }>`SELECT to_regclass(${names.schema}) IS NOT NULL AS is`,
    ([row]) => row?.is ?? false
  )

/** One process after the other: two that create a table at the same moment fail. */
const create = (sql: SqlClient.SqlClient): Effect.Effect<void, SqlError> =>
  Effect.forEach(
    [sql`SELECT pg_advisory_xact_lock(hashtext(${names.schema}))`, ...tables(sql)],
    (statement) => statement,
    { discard: true }
  )

const tables = (sql: SqlClient.SqlClient) => [
  sql`CREATE TABLE IF NOT EXISTS ${sql(names.schema)} (version INTEGER NOT NULL)`,
  sql`
    CREATE TABLE IF NOT EXISTS ${sql(names.bots)} (
      id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      name VARCHAR(191) NOT NULL UNIQUE,
      partitions INTEGER NOT NULL,
      position BIGINT NOT NULL DEFAULT 0
    )`,
  // Entries come and go: what is gone is cleared away before there is much of it, however many entries wait.
  sql`
    CREATE TABLE IF NOT EXISTS ${sql(names.entries)} (
      bot INTEGER NOT NULL,
      partition INTEGER NOT NULL,
      position BIGINT NOT NULL,
      version INTEGER NOT NULL,
      id TEXT NOT NULL,
      event TEXT NOT NULL,
      payload TEXT NOT NULL,
      written TIMESTAMPTZ NOT NULL DEFAULT now(),
      PRIMARY KEY (bot, partition, position)
    ) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0)`,
  // The count of a bot's entries is the sum of its rows: each statement adds one, so none waits for another, and now and then they are
  // summed up. Triggers keep it whoever deletes; to count the entries themselves takes a second for half a million.
  sql`CREATE TABLE IF NOT EXISTS ${sql(names.counts)} (bot INTEGER NOT NULL, count BIGINT NOT NULL)`,
  sql`CREATE INDEX IF NOT EXISTS ${sql(`${names.counts}_bot`)} ON ${sql(names.counts)} (bot)`,
  sql`
    CREATE OR REPLACE FUNCTION ${sql(names.counts)}() RETURNS TRIGGER LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
      INSERT INTO ${sql(names.counts)} (bot, count)
      SELECT changed.bot, CASE TG_OP WHEN 'INSERT' THEN count(*) ELSE -count(*) END FROM changed GROUP BY changed.bot;
      RETURN NULL;
    END $$`,
  sql`
    CREATE OR REPLACE TRIGGER written AFTER INSERT ON ${sql(names.entries)}
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION ${sql(names.counts)}()`,
  sql`
    CREATE OR REPLACE TRIGGER handled AFTER DELETE ON ${sql(names.entries)}
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION ${sql(names.counts)}()`,
  sql`
    CREATE TABLE IF NOT EXISTS ${sql(names.sequences)} (
      bot INTEGER NOT NULL,
      session TEXT NOT NULL,
      sequence BIGINT NOT NULL,
      written TIMESTAMPTZ NOT NULL DEFAULT now(),
      PRIMARY KEY (bot, session)
    )`,
  sql`
    CREATE TABLE IF NOT EXISTS ${sql(names.leases)} (
      bot INTEGER NOT NULL,
      partition INTEGER NOT NULL,
      epoch BIGINT NOT NULL DEFAULT 0,
      consumer TEXT,
      expires TIMESTAMPTZ NOT NULL DEFAULT now(),
      losses INTEGER NOT NULL DEFAULT 0,
      PRIMARY KEY (bot, partition)
    ) WITH (fillfactor = 50)`,
  sql`
    CREATE TABLE IF NOT EXISTS ${sql(names.consumers)} (
      bot INTEGER NOT NULL,
      consumer TEXT NOT NULL,
      expires TIMESTAMPTZ NOT NULL,
      PRIMARY KEY (bot, consumer)
    )`,
  sql`
    CREATE TABLE IF NOT EXISTS ${sql(names.messages)} (
      bot INTEGER NOT NULL,
      channel TEXT NOT NULL,
      position BIGINT NOT NULL,
      text TEXT NOT NULL,
      written TIMESTAMPTZ NOT NULL DEFAULT now(),
      PRIMARY KEY (bot, channel, position)
    )`,
  sql`
    CREATE TABLE IF NOT EXISTS ${sql(names.texts)} (
      bot INTEGER NOT NULL,
      name TEXT NOT NULL,
      text TEXT NOT NULL,
      PRIMARY KEY (bot, name)
    )`,
  sql`
    CREATE TABLE IF NOT EXISTS ${sql(names.deadLetters)} (
      bot INTEGER NOT NULL,
      position BIGINT GENERATED ALWAYS AS IDENTITY,
      version INTEGER NOT NULL,
      id TEXT NOT NULL,
      event TEXT NOT NULL,
      payload TEXT NOT NULL,
      cause TEXT NOT NULL,
      attempts INTEGER NOT NULL,
      written TIMESTAMPTZ NOT NULL DEFAULT now(),
      PRIMARY KEY (bot, position)
    )`,
  sql`
    INSERT INTO ${sql(names.schema)} (version)
    SELECT ${version} WHERE NOT EXISTS (SELECT version FROM ${sql(names.schema)})`
]

/** A bot of the database. */
interface Bot {
  readonly id: number
  readonly partitions: number
}

/** The tables, and which of their rows are the bot's. */
export interface BotTables {
  readonly sql: SqlClient.SqlClient
  readonly table: { readonly [Name in keyof typeof names]: Statement.Identifier }
  readonly bot: number
  readonly partitions: number
}

/** Opens the tables for the bot of this name, which keeps the partitions that it was made with. */
export const openFor = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, name: string, wanted: number) {
  yield* open(sql)
  const { id, partitions } = yield* botOf(sql, name, wanted)
  return {
    sql,
    table: {
      schema: sql(names.schema),
      bots: sql(names.bots),
      entries: sql(names.entries),
      counts: sql(names.counts),
      sequences: sql(names.sequences),
      leases: sql(names.leases),
      consumers: sql(names.consumers),
      messages: sql(names.messages),
      texts: sql(names.texts),
      deadLetters: sql(names.deadLetters)
    },
    bot: id,
    partitions
  } satisfies BotTables
})

/** The bot of this name, with the partitions that it was made with; these, where there is none yet. */
const botOf = (
  sql: SqlClient.SqlClient,
  name: string,
  partitions: number
): Effect.Effect<Bot, SqlError | RelayBrokerError> => {
  const find = sql<Bot>`SELECT id, partitions FROM ${sql(names.bots)} WHERE name = ${name}`
  const made = sql`
    WITH made AS (
      INSERT INTO ${sql(names.bots)} (name, partitions) VALUES (${name}, ${partitions})
      ON CONFLICT (name) DO NOTHING RETURNING id, partitions
    )
    INSERT INTO ${sql(names.leases)} (bot, partition)
    SELECT made.id, partition FROM made, generate_series(0, made.partitions - 1) AS partition`
  return Effect.flatMap(find, ([found]) =>
    found !== undefined
      ? Effect.succeed(found)
      : made.pipe(
          Effect.andThen(find),
          Effect.flatMap(([bot]) =>
            bot === undefined
              ? Effect.fail(new RelayBrokerError({ description: `it has no bot of the name ${name}` }))
              : Effect.succeed(bot)
          )
        )
  )
}
