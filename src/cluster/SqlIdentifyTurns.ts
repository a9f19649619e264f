/**
 * The turns to IDENTIFY of a cluster, kept in its SQL database: for clusters without Redis.
 *
 * One row a bucket, with the time from which the bucket is free, by the database's clock. Taking a turn is one statement.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { LimiterUnavailable } from "../schema/ConnectionError.ts"
import { GatewayError } from "../schema/GatewayError.ts"
import type { GatewayConfig } from "../services/GatewayConfig.ts"
import type { GatewayDirectory } from "../services/GatewayDirectory.ts"
import { IdentifyLimiter, type TakeTurn } from "../services/IdentifyLimiter.ts"

/** Atomic take of a turn in the database, in one statement: of several machines at the same time one gets it. */
export const make: Effect.Effect<TakeTurn, SqlError, SqlClient.SqlClient> = Effect.gen(function* () {
  const sql = (yield* SqlClient.SqlClient).withoutTransforms()
  const table = sql("disruption_gateway_identify_turns")
  yield* sql`CREATE TABLE IF NOT EXISTS ${table} (id VARCHAR(191) PRIMARY KEY, free_at BIGINT NOT NULL)`
  const now = sql.onDialectOrElse({
    pg: () => sql`CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)`,
    // SQLite
    orElse: () => sql`CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)`
  })

  return (key, time) =>
    Effect.gen(function* () {
      const millis = Duration.toMillis(time)
      const taken = yield* sql`
        INSERT INTO ${table} AS turns (id, free_at) VALUES (${key}, ${now} + ${millis})
        ON CONFLICT (id) DO UPDATE SET free_at = ${now} + ${millis} WHERE turns.free_at <= ${now}
        RETURNING id`
      if (taken.length > 0) return Duration.zero
      const rows = yield* sql<{ readonly wait: string | number }>`
        SELECT free_at - ${now} AS wait FROM ${table} WHERE id = ${key}`
      // At least 1 ms: zero would mean that the turn was taken.
      return Duration.millis(Math.max(1, Number(rows[0]?.wait ?? 1)))
    }).pipe(
      Effect.timeout("5 seconds"),
      Effect.mapError(({ message }) => new GatewayError({ reason: new LimiterUnavailable({ description: message }) }))
    )
})

/** Keeps the limits of all machines, together, in PostgreSQL or SQLite. */
export const layer: Layer.Layer<IdentifyLimiter, SqlError, SqlClient.SqlClient | GatewayConfig | GatewayDirectory> =
  Layer.unwrap(Effect.map(make, IdentifyLimiter.layerSharedBy))
