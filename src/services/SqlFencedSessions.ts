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
      const beside = sql("disruption_gateway_guilds")
      yield* sql`
        CREATE TABLE IF NOT EXISTS ${beside} (
          cluster VARCHAR(191) NOT NULL,
          shard VARCHAR(191) NOT NULL,
          name VARCHAR(191) NOT NULL,
          text TEXT NOT NULL,
          PRIMARY KEY (cluster, shard, name)
        )`
      /** The shard's row under an epoch, which nobody can raise before the statement has ended. */
      const owned = (shard: string, epoch: number) => sql`
        SELECT 1 AS owned FROM ${table}
        WHERE cluster = ${cluster} AND shard = ${shard} AND epoch = CAST(${epoch} AS BIGINT) ${sql.onDialectOrElse({
          sqlite: () => sql``,
          orElse: () => sql`FOR SHARE`
        })}`
      return FencedSessions.of({
        readBeside: (shard, names) =>
          names.length === 0
            ? Effect.succeed(new Map())
            : sql<{ readonly name: string; readonly text: string }>`
                SELECT name, text FROM ${beside}
                WHERE cluster = ${cluster} AND shard = ${shard} AND ${sql.in("name", names)}`.pipe(
                Effect.map((rows) => new Map(rows.map(({ name, text }) => [name, text]))),
                Effect.mapError(unanswered)
              ),
        writeBeside: Effect.fnUntraced(function* ({ epoch, shard, texts }) {
          const written = texts.flatMap(([name, text]) => (text === undefined ? [] : [{ name, text }]))
          const forgotten = texts.flatMap(([name, text]) => (text === undefined ? [name] : []))
          if (written.length > 0) {
            const rows = written.map(({ name, text }) => sql`(CAST(${name} AS TEXT), CAST(${text} AS TEXT))`)
            const stored = yield* sql`
              WITH owner AS (${owned(shard, epoch)}), written (name, text) AS (VALUES ${sql.csv(rows)})
              INSERT INTO ${beside} (cluster, shard, name, text)
              SELECT ${cluster}, ${shard}, written.name, written.text FROM written, owner WHERE owner.owned = 1
              ON CONFLICT (cluster, shard, name) DO UPDATE SET text = excluded.text
              RETURNING name`
            if (stored.length === 0) return false
          }
          if (forgotten.length === 0) return true
          const owners = yield* sql`${owned(shard, epoch)}`
          if (owners.length === 0) return false
          yield* sql`
            WITH owner AS (${owned(shard, epoch)})
            DELETE FROM ${beside}
            WHERE cluster = ${cluster} AND shard = ${shard} AND ${sql.in("name", forgotten)}
              AND EXISTS (SELECT 1 FROM owner)`
          return true
        }, Effect.mapError(unanswered)),
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
