/**
 * A database of one's own on the local PostgreSQL, which is dropped afterwards.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

/** Where PostgreSQL is. */
export const server = { host: "127.0.0.1", port: 5432 } as const

const urlOf = (name: string, { host, port }: { readonly host: string; readonly port: number } = server) =>
  `postgres://postgres@${host}:${port}/${name}`

const administrator = PgClient.layer({ url: Redacted.make(urlOf("postgres")), maxConnections: 1 })

const killConnections = (name: string) =>
  SqlClient.SqlClient.use(
    (sql) => sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ${name}`
  ).pipe(Effect.provide(administrator), Effect.orDie, Effect.asVoid)

/** Creates a database for as long as the scope lives. */
export const make = Effect.gen(function* () {
  const name = `proof_${(yield* Random.nextIntBetween(0, 2 ** 40)).toString(36)}`
  yield* Effect.acquireRelease(
    SqlClient.SqlClient.use((sql) => sql.unsafe(`CREATE DATABASE ${name}`)).pipe(
      Effect.provide(administrator),
      Effect.orDie
    ),
    () =>
      SqlClient.SqlClient.use((sql) => sql.unsafe(`DROP DATABASE ${name} WITH (FORCE)`)).pipe(
        Effect.provide(administrator),
        Effect.orDie
      )
  )
  return {
    /** Its address, or that of a proxy before it. */
    url: (at?: { readonly host: string; readonly port: number }) => urlOf(name, at),
    /** Sequence of each shard's session. */
    sequences: SqlClient.SqlClient.use(
      (sql) =>
        sql<{ readonly shard: string; readonly sequence: string | number }>`
          SELECT shard, CAST(CAST(session AS JSON) -> 'session' ->> 'sequence' AS INT) AS sequence
          FROM disruption_gateway_sessions`
    ).pipe(
      Effect.map((rows) => new Map(rows.map(({ sequence, shard }) => [shard, Number(sequence)]))),
      Effect.provide(PgClient.layer({ url: Redacted.make(urlOf(name)), maxConnections: 1 })),
      Effect.orDie
    ),
    /** Addresses of the machines that take part in the cluster, or have just left it. */
    machines: SqlClient.SqlClient.use(
      (sql) => sql<{ readonly address: string }>`SELECT address FROM cluster_runners ORDER BY address`
    ).pipe(
      Effect.map((rows) => rows.map(({ address }) => address)),
      Effect.provide(PgClient.layer({ url: Redacted.make(urlOf(name)), maxConnections: 1 })),
      Effect.orDie
    ),
    /** Ends all connections to it, at once. */
    killConnections: killConnections(name),
    /** Makes it read-only for new connections, or takes that back, and ends all that are there. */
    readOnly: (isReadOnly: boolean) =>
      SqlClient.SqlClient.use((sql) =>
        sql.unsafe(`ALTER DATABASE ${name} SET default_transaction_read_only = ${isReadOnly ? "on" : "off"}`)
      ).pipe(Effect.provide(administrator), Effect.orDie, Effect.andThen(killConnections(name))),
    /** Process ids of those that serve it. */
    backends: SqlClient.SqlClient.use(
      (sql) => sql<{ readonly pid: number }>`SELECT pid FROM pg_stat_activity WHERE datname = ${name}`
    ).pipe(
      Effect.map((rows) => rows.map(({ pid }) => pid)),
      Effect.provide(administrator),
      Effect.orDie
    ),
    /** How many transactions it has done so far. */
    transactions: SqlClient.SqlClient.use(
      (sql) =>
        sql<{ readonly done: string | number }>`
          SELECT xact_commit + xact_rollback AS done FROM pg_stat_database WHERE datname = ${name}`
    ).pipe(
      Effect.map(([row]) => Number(row?.done ?? 0)),
      Effect.provide(administrator),
      Effect.orDie
    )
  }
})
