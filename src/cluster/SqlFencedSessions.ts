/**
 * Fenced sessions in the cluster's SQL database: a row a shard, whose epoch is part of the condition of each write.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Persistence from "effect/persistence/Persistence"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { FencedSessions } from "./FencedSessions.ts"

interface TakenRow {
  /** Text where the client reads 64 bits so. */
  readonly epoch: number | string
  readonly session: string | null
}

const unanswered = ({ message }: SqlError) => new Persistence.PersistenceError({ message })

/** Keeps the sessions of the cluster of this name in PostgreSQL or SQLite. */
export const layer = (cluster: string): Layer.Layer<FencedSessions, SqlError, SqlClient.SqlClient> =>
  Layer.effect(
    FencedSessions,
    Effect.gen(function* () {
      const sql = (yield* SqlClient.SqlClient).withoutTransforms()
      const table = sql("disruption_gateway_sessions")
      yield* sql`
        CREATE TABLE IF NOT EXISTS ${table} (
          cluster VARCHAR(191) NOT NULL,
          shard VARCHAR(191) NOT NULL,
          epoch BIGINT NOT NULL,
          session TEXT,
          PRIMARY KEY (cluster, shard)
        )`
      return FencedSessions.of({
        take: (shard) =>
          sql<TakenRow>`
            INSERT INTO ${table} AS stored (cluster, shard, epoch) VALUES (${cluster}, ${shard}, 1)
            ON CONFLICT (cluster, shard) DO UPDATE SET epoch = stored.epoch + 1
            RETURNING epoch, session`.pipe(
            Effect.map(([row]) => ({ epoch: Number(row?.epoch ?? 0), session: row?.session ?? undefined })),
            Effect.mapError(unanswered)
          ),
        write: (writes) => {
          if (writes.length === 0) return Effect.succeed(new Set())
          const rows = writes.map(
            ({ epoch, session, shard }) => sql`(${shard}, CAST(${epoch} AS BIGINT), CAST(${session ?? null} AS TEXT))`
          )
          return sql<{ readonly shard: string }>`
            WITH written (of_shard, of_epoch, new_session) AS (VALUES ${sql.csv(rows)})
            UPDATE ${table} SET session = new_session FROM written
            WHERE cluster = ${cluster} AND shard = of_shard AND epoch = of_epoch
            RETURNING shard`.pipe(
            Effect.map((stored) => new Set(stored.map(({ shard }) => shard))),
            Effect.mapError(unanswered)
          )
        }
      })
    })
  )
