/**
 * Releases of the cluster's locks, gathered: the engine gives each part of the cluster up by a statement of its own, one after
 * the other, so a machine with a hundred parts would take a hundred round trips to the database to stop.
 */
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import { PersistenceError } from "effect/cluster/ClusterError"
import type * as RunnerAddress from "effect/cluster/RunnerAddress"
import type * as ClusterShardId from "effect/cluster/ShardId"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Request from "effect/Request"
import * as RequestResolver from "effect/RequestResolver"
import * as SqlClient from "effect/sql/SqlClient"
import * as TimeLimit from "./TimeLimit.ts"

/** Time limit of the common release. */
const attemptTime = Duration.seconds(2)

/** Release of a lock, together with those that are given up at the same moment. */
class Release extends Request.TaggedClass("Release")<
  { readonly address: string; readonly lock: string },
  void,
  PersistenceError
> {}

/** The lock store, whose rows are given up together. `cluster` is the prefix of its tables. */
export const layer = (
  cluster: string
): Layer.Layer<RunnerStorage.RunnerStorage, never, RunnerStorage.RunnerStorage | SqlClient.SqlClient> =>
  Layer.effect(
    RunnerStorage.RunnerStorage,
    Effect.gen(function* () {
      const storage = yield* RunnerStorage.RunnerStorage
      const sql = (yield* SqlClient.SqlClient).withoutTransforms()
      const withinTime = TimeLimit.make(yield* Effect.scope, attemptTime, undefined)
      const table = sql(`${cluster}_locks`)

      const remove = (address: string, locks: ReadonlyArray<string>) => {
        const isOwn = sql`address = ${address} AND ${sql.in("shard_id", locks)}`
        return sql.onDialectOrElse({
          // In the order in which the engine locks rows, so that none waits for the other.
          pg: () => sql`
            WITH released AS (SELECT shard_id FROM ${table} WHERE ${isOwn} ORDER BY shard_id COLLATE "C" FOR UPDATE)
            DELETE FROM ${table} WHERE address = ${address} AND shard_id IN (SELECT shard_id FROM released)`,
          orElse: () => sql`DELETE FROM ${table} WHERE ${isOwn}`
        })
      }

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
        release: (address: RunnerAddress.RunnerAddress, lock: ClusterShardId.ShardId) =>
          Effect.catch(
            withinTime(
              Effect.request(
                new Release({ address: `${address.host}:${address.port}`, lock: lock.toString() }),
                releases
              )
            ),
            // The engine's own way, which has another connection.
            () => storage.release(address, lock)
          )
      })
    })
  )
