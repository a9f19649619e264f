/**
 * The engine's lock store in SQL, with fewer round trips and no pauses: locks are taken by one statement, those that a machine
 * gives up at the same moment go in one, and locks that another machine has are waited for. The engine takes them by two
 * statements and gives up each by itself, all on one connection, so a machine with a hundred parts of the cluster would take a
 * hundred round trips to stop; and where a machine got some of its locks, it asks for the others a second later.
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
import * as SqlClient from "effect/sql/SqlClient"
import * as MonotonicTime from "../services/MonotonicTime.ts"
import * as TimeLimit from "../services/TimeLimit.ts"
import { ClusterNews } from "./ClusterNews.ts"

/** Time limit of one statement. */
const attemptTime = Duration.seconds(2)

/**
 * Longest wait for locks that another machine has, as a share of the time after which the engine takes the question for lost, a
 * third of that for which locks last: it would not know of those that were taken.
 */
const patience = 0.8 / 3
/** The same once a machine has some of them, whose shards wait for the others. */
const patienceForTheRest = Duration.millis(500)
/** Interval of the questions where no news is heard. */
const askingInterval = Duration.millis(100)
/** Added to the end of a lock, which the database counts in finer steps. */
const margin = 3

const timedOut = new PersistenceError({ cause: new Error("no answer") })

/** Release of a lock, together with those that are given up at the same moment. */
class Release extends Request.TaggedClass("Release")<
  { readonly address: string; readonly lock: string },
  void,
  PersistenceError
> {}

/** Answer to the question for locks. */
interface Answer {
  readonly taken: Array<ClusterShardId.ShardId>
  /** Milliseconds until the first of the others ends by itself. */
  readonly rest: number
}

/** As the engine writes it. */
const textOf = ({ host, port }: RunnerAddress.RunnerAddress) => `${host}:${port}`

/** Lock store over the engine's tables with this prefix, whose locks expire after this time. */
export const layer = (
  prefix: string,
  lockExpiration: Duration.Input
): Layer.Layer<RunnerStorage.RunnerStorage, never, RunnerStorage.RunnerStorage | SqlClient.SqlClient | ClusterNews> =>
  Layer.effect(
    RunnerStorage.RunnerStorage,
    Effect.gen(function* () {
      const storage = yield* RunnerStorage.RunnerStorage
      const news = yield* ClusterNews
      const sql = (yield* SqlClient.SqlClient).withoutTransforms()
      const withinTime = TimeLimit.make(yield* Effect.scope, attemptTime, timedOut)
      const table = sql(`${prefix}_locks`)
      const seconds = Math.ceil(Duration.toSeconds(Duration.fromInputUnsafe(lockExpiration)))
      const waitingTime = Duration.toMillis(Duration.fromInputUnsafe(lockExpiration)) * patience

      /** In the order in which the engine locks rows, so that no two statements wait for each other. */
      const inPostgres = {
        take: (address: string, locks: ReadonlyArray<string>) =>
          sql<{ readonly shard_id: string | null; readonly rest: number | string | null }>`
            WITH requested AS (SELECT value AS shard_id FROM json_array_elements_text(${JSON.stringify(locks)}::json)),
            taken AS (
              INSERT INTO ${table} AS held (shard_id, address, acquired_at)
              SELECT shard_id, ${address}, NOW() FROM requested ORDER BY shard_id COLLATE "C"
              ON CONFLICT (shard_id) DO UPDATE SET address = EXCLUDED.address, acquired_at = EXCLUDED.acquired_at
              WHERE held.address = EXCLUDED.address OR held.acquired_at < NOW() - ${seconds} * INTERVAL '1 second'
              RETURNING shard_id
            )
            SELECT shard_id, NULL AS rest FROM taken
            UNION ALL
            SELECT NULL, EXTRACT(EPOCH FROM MIN(acquired_at) + ${seconds} * INTERVAL '1 second' - NOW())
            FROM ${table} JOIN requested USING (shard_id)
            WHERE address <> ${address} AND acquired_at >= NOW() - ${seconds} * INTERVAL '1 second'`.pipe(
            Effect.map((rows): Answer => ({
              taken: rows.flatMap(({ shard_id }) => (shard_id === null ? [] : [ClusterShardId.fromString(shard_id)])),
              rest: Math.min(...rows.flatMap(({ rest }) => (rest === null ? [] : [Number(rest) * 1000 + margin])))
            })),
            PersistenceError.refail
          ),
        remove: (address: string, locks: ReadonlyArray<string>) =>
          sql`
            WITH released AS (
              SELECT shard_id FROM ${table}
              WHERE address = ${address}
                AND shard_id IN (SELECT value FROM json_array_elements_text(${JSON.stringify(locks)}::json))
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
            }),
            Effect.tap(news.locks.tell)
          )
      })

      return RunnerStorage.RunnerStorage.of({
        ...storage,
        acquire: (address, locks) => {
          const wanted = [...locks]
          const names = wanted.map(String)
          if (names.length === 0) return Effect.succeed([])
          const inTheEnginesWay = Effect.map(storage.acquire(address, wanted), (taken): Answer => ({
            taken,
            rest: Number.POSITIVE_INFINITY
          }))
          const ask =
            take === undefined
              ? inTheEnginesWay
              : Effect.catch(withinTime(take(textOf(address), names)), () => inTheEnginesWay)
          return Effect.gen(function* () {
            const { locks: released, machines } = news
            const listed = machines.latest()
            let deadline = (yield* MonotonicTime.now) + waitingTime
            for (;;) {
              const latest = released.latest()
              const { rest, taken } = yield* ask
              const now = yield* MonotonicTime.now
              if (taken.length > 0) deadline = Math.min(deadline, now + Duration.toMillis(patienceForTheRest))
              if (taken.length === names.length || now >= deadline) return taken
              const interval = news.isHeard() ? Number.POSITIVE_INFINITY : Duration.toMillis(askingInterval)
              yield* Effect.raceAllFirst([
                released.after(latest),
                machines.after(listed),
                Effect.sleep(Math.ceil(Math.min(rest, interval, deadline - now)))
              ])
              // Which locks are this machine's is about to change, or it leaves.
              if (machines.latest() > listed) return taken
            }
          })
        },
        release: (address, lock) =>
          Effect.catch(
            withinTime(Effect.request(new Release({ address: textOf(address), lock: String(lock) }), releases)),
            () => storage.release(address, lock)
          ),
        releaseAll: (address) => Effect.tap(storage.releaseAll(address), news.locks.tell)
      })
    })
  )
