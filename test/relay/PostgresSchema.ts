/**
 * A schema of one's own on the local PostgreSQL, which is dropped afterwards.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

const url = Redacted.make("postgres://postgres@127.0.0.1:5432/postgres")

const administrator = PgClient.layer({ url, maxConnections: 1 })

/** Runs a statement as an administrator. */
export const administer = (statement: string) =>
  SqlClient.SqlClient.use((sql) => sql.unsafe(statement)).pipe(Effect.provide(administrator), Effect.orDie)

/** Creates a schema for as long as the scope lives. */
export const make = Effect.gen(function* () {
  const name = `relay_${(yield* Random.nextIntBetween(0, 2 ** 40)).toString(36)}`
  yield* Effect.acquireRelease(administer(`CREATE SCHEMA ${name}`), () => administer(`DROP SCHEMA ${name} CASCADE`))
  return {
    name,
    /** A client whose tables are there, and what else its connections begin with. */
    client: (parameters: Readonly<Record<string, string>> = {}) =>
      PgClient.layer({ url, startupParameters: { ...parameters, search_path: name }, applicationName: name }),
    /** Ends all connections of those clients, at once. */
    killConnections: administer(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '${name}'`
    )
  }
})
