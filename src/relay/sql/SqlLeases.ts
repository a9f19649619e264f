/**
 * Leases of partitions in PostgreSQL: rows, whose time is the database's. All statements lock them in the same order, so no two of
 * them wait for each other.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { LeasedPartition, Leases } from "../RelayBroker.ts"
import type { BotTables } from "./SqlRelayTables.ts"

interface LeaseRow {
  readonly surplus: number
  /** Null in the one row of a consumer that holds nothing. */
  readonly partition: number | null
  readonly epoch: string | null
  readonly losses: number | null
  readonly last: string | null
}

/** Renews and takes leases. */
export const lease = ({ bot, partitions, sql, table }: BotTables, consumer: string, time: Duration.Duration) => {
  const seconds = Duration.toSeconds(time)
  return Effect.map(
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
      FROM (SELECT 1) AS one LEFT JOIN held ON TRUE ORDER BY held.partition`,
    (rows): Leases => ({
      surplus: rows[0]?.surplus ?? 0,
      held: rows.flatMap(({ epoch, last, losses, partition }): ReadonlyArray<LeasedPartition> =>
        partition === null ? [] : [{ partition, epoch: Number(epoch), losses: losses ?? 0, last: last ?? undefined }]
      )
    })
  )
}

/** Gives leases back: only those that are still the consumer's. */
export const release = (
  { bot, sql, table }: BotTables,
  consumer: string,
  released: ReadonlyArray<Pick<LeasedPartition, "epoch" | "partition">>
) => sql`
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
          FROM given WHERE stored.bot = ${bot} AND stored.partition = given.partition`
