/**
 * The engine's lock store in SQL, with fewer round trips: locks are taken by one statement, and those that a machine gives up at
 * the same moment go in one. The engine takes them by two and gives up each by itself, all on one connection, so a machine
 * with a hundred parts of the cluster would take a hundred round trips to stop.
 *
 * The rows are the engine's; what fails here is done its way.
 */
import { PersistenceError } from "effect/cluster/ClusterError"
import type * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as ClusterShardId from "effect/cluster/ShardId"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Request from "effect/Request"
import * as RequestResolver from "effect/RequestResolver"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import * as TimeLimit from "../services/TimeLimit.ts"

/** Time limit of one statement. */
const attemptTime = Duration.seconds(2)

/**
 * Repetitions of a question for locks that are all another machine's: a machine that stops leaves the list before it gives up
 * its locks, and the engine would ask again after a second.
 */
const questions = 6
const askingInterval = Duration.millis(100)

const timedOut = new PersistenceError({ cause: new Error("no answer") })

/** Release of a lock, together with those that are given up at the same moment. */
class Release extends Request.TaggedClass("Release")<
  { readonly address: string; readonly lock: string },
  void,
  PersistenceError
> {}

/** As the engine writes it. */
const textOf = ({ host, port }: RunnerAddress.RunnerAddress) => `${host}:${port}`

/** Lock store over the engine's tables with this prefix, whose locks expire after this time. */
export const layer = (
  prefix: string,
  lockExpiration: Duration.Input
): Layer.Layer<RunnerStorage.RunnerStorage, never, RunnerStorage.RunnerStorage | SqlClient.SqlClient> =>
  Layer.effect(
    RunnerStorage.RunnerStorage,
    Effect.gen(function* () {
      const storage = yield* RunnerStorage.RunnerStorage
      const sql = (yield* SqlClient.SqlClient).withoutTransforms()
      const withinTime = TimeLimit.make(yield* Effect.scope, attemptTime, timedOut)
      const table = sql(`${prefix}_locks`)
      const seconds = Math.ceil(Duration.toSeconds(Duration.fromInputUnsafe(lockExpiration)))

      /** In the order in which the engine locks rows, so that no two statements wait for each other. */
      const inPostgres = {
        take: (address: string, locks: ReadonlyArray<string>) =>
          sql<{ readonly shard_id: string }>`
            INSERT INTO ${table} AS held (shard_id, address, acquired_at)
            SELECT requested.shard_id, ${address}, NOW()
            FROM (VALUES ${sql.csv(locks.map((lock) => sql`(${lock})`))}) AS requested (shard_id)
            ORDER BY requested.shard_id COLLATE "C"
            ON CONFLICT (shard_id) DO UPDATE SET address = EXCLUDED.address, acquired_at = EXCLUDED.acquired_at
            WHERE held.address = EXCLUDED.address OR held.acquired_at < NOW() - ${seconds} * INTERVAL '1 second'
            RETURNING shard_id`.pipe(
            Effect.map((taken) => taken.map(({ shard_id }) => ClusterShardId.fromString(shard_id))),
            PersistenceError.refail
          ),
        remove: (address: string, locks: ReadonlyArray<string>) =>
          sql`
            WITH released AS (
              SELECT shard_id FROM ${table} WHERE address = ${address} AND ${sql.in("shard_id", locks)}
              ORDER BY shard_id COLLATE "C" FOR UPDATE
            )
            DELETE FROM ${table} WHERE address = ${address} AND shard_id IN (SELECT shard_id FROM released)`
      }

      const take = sql.onDialectOrElse({ pg: () => inPostgres.take, orElse: () => undefined })
      const remove = sql.onDialectOrElse({
        pg: () => inPostgres.remove,
        orElse: () => (address: string, locks: ReadonlyArray<string>) =>
          sql`DELETE FROM ${table} WHERE address = ${address} AND ${sql.in("shard_id", locks)}`
      })

      const releases = RequestResolver.makeGrouped<Release, string>({
        key: ({ request }) => request.address,
        resolver: (entries, address) =>
          remove(
            address,
            entries.map(({ request }) => request.lock)
          ).pipe(
            PersistenceError.refail,
            Effect.map(() => {
              for (const entry of entries) entry.completeUnsafe(Exit.void)
            })
          )
      })

      return RunnerStorage.RunnerStorage.of({
        ...storage,
        acquire: (address, locks) => {
          const wanted = [...locks]
          const names = wanted.map(String)
          const inTheEnginesWay = storage.acquire(address, wanted)
          if (names.length === 0) return Effect.succeed([])
          return (
            take === undefined
              ? inTheEnginesWay
              : Effect.catch(withinTime(take(textOf(address), names)), () => inTheEnginesWay)
          ).pipe(
            Effect.repeat({
              until: (taken) => taken.length > 0,
              times: questions,
              schedule: Schedule.spaced(askingInterval)
            })
          )
        },
        release: (address, lock) =>
          Effect.catch(
            withinTime(Effect.request(new Release({ address: textOf(address), lock: String(lock) }), releases)),
            () => storage.release(address, lock)
          )
      })
    })
  )
