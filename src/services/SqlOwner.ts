/**
 * Owner of a bot's sessions in an SQL database: a row, whose time is the database's.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { failureText } from "./FailureText.ts"
import * as LateOwner from "./LateOwner.ts"
import { decodeHolder, encodeHolder, type OwnerAnswer, OwnerStore, type OwnerStoreFailure } from "./OwnerStore.ts"
import type { SessionStore } from "./SessionStore.ts"
import * as SqlFencedSessions from "./SqlFencedSessions.ts"

const unanswered = (error: SqlError): OwnerStoreFailure => ({ message: failureText(error) })

/**
 * Keeps the owner and the sessions of this name in PostgreSQL, where nothing is taken from an instance that is no owner any more: a
 * fencing token says so, and not a clock. Instances that run the same shards of one bot have the same name; parts of a bot with other
 * shards have others. The client is connected at the first call, and again after a failure. The statements are SQLite's, too, untried.
 *
 * ```ts
 * Gateway.layer.pipe(
 *   Layer.provide(GatewayOwner.layer({ instance: NodeGateway.instance })),
 *   Layer.provide(SqlOwner.layerWithSessions("my-bot", PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") })))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWithSessions = <E, R>(
  name: string,
  client: Layer.Layer<SqlClient.SqlClient, E, R>
): Layer.Layer<OwnerStore | SessionStore, never, R> =>
  LateOwner.layer(Layer.mergeAll(layer(name), SqlFencedSessions.layer(name)).pipe(Layer.provide(client)))

/**
 * Keeps the owner alone of the sessions of this name in PostgreSQL, for sessions that are elsewhere.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (name: string): Layer.Layer<OwnerStore, SqlError, SqlClient.SqlClient> =>
  Layer.effect(
    OwnerStore,
    Effect.gen(function* () {
      const sql = (yield* SqlClient.SqlClient).withoutTransforms()
      const table = sql("disruption_gateway_owners")
      yield* sql`
        CREATE TABLE IF NOT EXISTS ${table} (
          name VARCHAR(191) PRIMARY KEY,
          epoch BIGINT NOT NULL,
          token VARCHAR(64),
          holder TEXT NOT NULL,
          expires BIGINT NOT NULL
        )`
      const now = sql.onDialectOrElse({
        sqlite: () => sql`CAST(unixepoch('subsec') * 1000 AS INTEGER)`,
        orElse: () => sql`CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)`
      })
      return OwnerStore.of({
        claim: Effect.fnUntraced(function* ({ epoch, holder, lease, token }) {
          const isFree =
            epoch === undefined
              ? sql`owned.token IS NULL OR owned.expires <= ${now}`
              : sql`owned.token = excluded.token`
          const [granted] = yield* sql<{ readonly epoch: number | string }>`
            INSERT INTO ${table} AS owned (name, epoch, token, holder, expires)
            VALUES (${name}, CAST(${epoch ?? 1} AS BIGINT), ${token}, ${encodeHolder(holder)}, ${now} + CAST(${lease} AS BIGINT))
            ON CONFLICT (name) DO UPDATE SET
              epoch = CASE WHEN owned.token = excluded.token THEN owned.epoch ELSE owned.epoch + 1 END,
              token = excluded.token,
              holder = excluded.holder,
              expires = excluded.expires
            WHERE owned.token = excluded.token OR ${isFree}
            RETURNING epoch`
          if (granted !== undefined) return { _tag: "Granted", epoch: Number(granted.epoch) } satisfies OwnerAnswer
          const [row] = yield* sql<{ readonly holder: string }>`SELECT holder FROM ${table} WHERE name = ${name}`
          return { _tag: "Held", by: Option.getOrUndefined(decodeHolder(row?.holder)) } satisfies OwnerAnswer
        }, Effect.mapError(unanswered)),
        release: (token) =>
          sql`UPDATE ${table} SET token = NULL WHERE name = ${name} AND token = ${token}`.pipe(
            Effect.asVoid,
            Effect.mapError(unanswered)
          )
      })
    })
  )
