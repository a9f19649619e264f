/**
 * Fenced sessions in an SQL database: a row a shard, whose epoch is part of the condition of each write.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Persistence from "effect/persistence/Persistence"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { failureText } from "./FailureText.ts"
import { FencedSessions } from "./FencedSessions.ts"

interface TakenRow {
  readonly shard: string
  /** Text where the client reads 64 bits so. */
  readonly epoch: number | string
  readonly session: string | null
}

const unanswered = (error: SqlError) => new Persistence.PersistenceError({ message: failureText(error) })

/** Keeps the sessions of the cluster or the bot of this name in PostgreSQL or SQLite. */
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
        take: (shards) => {
          if (shards.length === 0) return Effect.succeed(new Map())
          // In one order on all machines: two that take the same shards at once would wait for each other.
          const rows = shards.toSorted().map((shard) => sql`(${cluster}, ${shard}, 1)`)
          return sql<TakenRow>`
            INSERT INTO ${table} AS stored (cluster, shard, epoch) VALUES ${sql.csv(rows)}
            ON CONFLICT (cluster, shard) DO UPDATE SET epoch = stored.epoch + 1
            RETURNING shard, epoch, session`.pipe(
            Effect.map(
              (taken) =>
                new Map(
                  taken.map(({ epoch, session, shard }) => [
                    shard,
                    { epoch: Number(epoch), session: session ?? undefined }
                  ])
                )
            ),
            Effect.mapError(unanswered)
          )
        },
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
