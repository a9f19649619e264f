/**
 * The cluster with Node's parts: sockets between the machines, their list and locks in SQL, sessions and limits in SQL or
 * Redis. And the same program on one machine, without any of them.
 *
 * @since 0.1.0
 */
import { hostname } from "node:os"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as MessageStorage from "effect/cluster/MessageStorage"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as RunnerHealth from "effect/cluster/RunnerHealth"
import * as Runners from "effect/cluster/Runners"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as Sharding from "effect/cluster/Sharding"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as SqlRunnerStorage from "effect/cluster/SqlRunnerStorage"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Persistence from "effect/persistence/Persistence"
import type { PlatformError } from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type { SocketServerError } from "effect/socket/SocketServer"
import type * as SqlClient from "effect/sql/SqlClient"
import * as NodeGateway from "../node/NodeGateway.ts"
import type { GatewayConfig } from "../services/GatewayConfig.ts"
import { IdentifyLimiter } from "../services/IdentifyLimiter.ts"
import { SessionStore } from "../services/SessionStore.ts"
import * as SessionFile from "../services/SessionFile.ts"
import { shardingConfig, type ShardingOptions } from "./ClusterTiming.ts"
import * as ClusterNews from "./ClusterNews.ts"
import * as ClusterPlan from "./ClusterPlan.ts"
import * as FencedGuilds from "../services/FencedGuilds.ts"
import * as FencedSessionStore from "../services/FencedSessionStore.ts"
import type { ClusterServices } from "./GatewayCluster.ts"
import * as LockLeases from "./LockLeases.ts"

import * as MachineSockets from "./MachineSockets.ts"
import type { FencedSessions } from "../services/FencedSessions.ts"
import * as RedisFencedSessions from "../services/RedisFencedSessions.ts"
import * as SqlFencedSessions from "../services/SqlFencedSessions.ts"
import * as Retreat from "./Retreat.ts"
import * as SqlIdentifyTurns from "./SqlIdentifyTurns.ts"
import * as SqlLocks from "./SqlLocks.ts"
import * as SqlMachines from "./SqlMachines.ts"

/**
 * Options of a machine of the cluster.
 *
 * @since 0.1.0
 * @category models
 */
export interface MachineOptions {
  /** Address at which the other machines reach this one. */
  readonly host: string
  /** Default: 34431. */
  readonly port?: number | undefined
  /** Address to listen on. Default: every address of the machine, `0.0.0.0`. */
  readonly listenHost?: string | undefined
  /**
   * Secret of the cluster, the same on all machines: connections between them are encrypted by it, and those that do not know
   * it are refused. Default: none, and whoever reaches the port can command the bot.
   */
  readonly secret?: Redacted.Redacted | undefined
  /** Name of the cluster, where several share a database: prefix of its tables and locks. Default: "cluster". */
  readonly name?: string | undefined
  /** URL of a Redis that holds sessions and limits in place of the SQL database. */
  readonly redis?: Redacted.Redacted | undefined
  /** Health check of the other machines: a ping to each, or Kubernetes' judgement of their pods. Default: "ping". */
  readonly runnerHealth?: "ping" | "k8s" | undefined
  /** Selection of the pods that Kubernetes is asked about. */
  readonly kubernetes?: { readonly namespace?: string | undefined; readonly labelSelector?: string | undefined }
  /** Expiry of the locks of a machine that does not renew them. Default: 5 seconds, a whole number of them. */
  readonly lockExpiration?: Duration.Input | undefined
  /** Any other setting of the cluster. Its locks are rows of the database always, no advisory locks. */
  readonly sharding?: ShardingOptions | undefined
}

/**
 * Layer of a machine: every service of the shards but the configuration.
 *
 * @since 0.1.0
 * @category models
 */
export type ClusterLayer<E, R> = Layer.Layer<Exclude<ClusterServices, GatewayConfig>, E, R | GatewayConfig>

const defaultPort = 34431

/**
 * One machine of a cluster. The SQL client is PostgreSQL's: `PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") })`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: MachineOptions
): ClusterLayer<SocketServerError | Config.ConfigError | Cause.UnknownError, SqlClient.SqlClient> => {
  const port = options.port ?? defaultPort
  const address = RunnerAddress.make(options.host, port)
  const settings = shardingConfig({
    runnerAddress: Option.some(address),
    runnerListenAddress: Option.some(RunnerAddress.make(options.listenHost ?? "0.0.0.0", port)),
    ...(options.lockExpiration === undefined
      ? {}
      : {
          shardLockExpiration: options.lockExpiration,
          shardLockRefreshInterval: Duration.divideUnsafe(Duration.fromInputUnsafe(options.lockExpiration), 3)
        }),
    ...options.sharding
  })
  const name = options.name ?? "cluster"
  const machines = SqlLocks.layer(name, settings.shardLockExpiration).pipe(
    Layer.provide(SqlMachines.layer(name, settings.shardLockExpiration, settings.refreshAssignmentsInterval)),
    Layer.provide(retryForAMinute(SqlRunnerStorage.layerWith({ prefix: name }))),
    Layer.provide(ClusterNews.layer(name)),
    Layer.provide(ShardingConfig.layer(settings))
  )
  const locks = LockLeases.layer(settings.shardLockExpiration).pipe(Layer.provide(machines))
  const cluster = MachineSockets.layer({
    secret: options.secret,
    sharding: { ...settings, refreshAssignmentsInterval: SqlMachines.enginePause },
    runnerHealth: options.runnerHealth,
    kubernetes: options.kubernetes
  }).pipe(Layer.provideMerge(locks), Layer.provide(MessageStorage.layerNoop))
  const stores = storesOf(name, settings.shardLockExpiration)
  const shared = options.redis === undefined ? inSql(stores) : inRedis(stores, options.redis)
  // Before the machine is listed and takes locks: shards that it cannot run would be nowhere.
  const admission = Layer.effectDiscard(Effect.flatMap(ClusterPlan.make, ({ admission }) => admission))
  return Layer.mergeAll(
    Layer.merge(cluster, Layer.provide(Retreat.layer(address), locks)).pipe(
      Layer.provide(Layer.provide(admission, shared)),
      Layer.provide(shared)
    ),
    shared,
    ShardingConfig.layer(settings)
  ).pipe(Layer.provideMerge(NodeGateway.layerServices))
}

/** Retries for a minute, for a machine that starts together with its database or Redis. */
const retryForAMinute = <A, E, R>(layer: Layer.Layer<A, E, R>): Layer.Layer<A, Cause.UnknownError, R> =>
  Layer.effectContext(
    Layer.build(Layer.fresh(layer)).pipe(
      Effect.sandbox,
      Effect.tapError((cause) => Effect.logWarning(`The database does not answer yet: ${messageOf(cause)}`)),
      Effect.retry({ times: 60, schedule: Schedule.spaced("1 second") }),
      Effect.mapError((cause) => new Cause.UnknownError(Cause.squash(cause), "The database does not answer"))
    )
  )

const messageOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error.message : String(error)
}

type Stores = <E, R, E2, R2>(
  backing: Layer.Layer<Persistence.BackingPersistence, E, R>,
  sessions: (cluster: string) => Layer.Layer<FencedSessions, E2, R2>
) => Layer.Layer<Persistence.BackingPersistence | SessionStore, E | E2, R | R2>

/** The stores of one cluster; several may share a database. Guilds are beside the sessions, and fenced as they are. */
const storesOf =
  (name: string, lockExpiration: Duration.Input): Stores =>
  (backing, sessions) =>
    Layer.effect(
      Persistence.BackingPersistence,
      Effect.gen(function* () {
        const all = yield* Persistence.BackingPersistence
        const guilds = yield* FencedGuilds.FencedGuilds
        return Persistence.BackingPersistence.of({
          ...all,
          make: (store) =>
            store === FencedGuilds.guildsStoreId && guilds !== undefined
              ? Effect.succeed(guilds)
              : all.make(`${name}_${store}`)
        })
      })
    ).pipe(
      Layer.provide(backing),
      Layer.provideMerge(FencedSessionStore.layer(lockExpiration).pipe(Layer.provide(sessions(name))))
    )

const inSql = (stores: Stores) =>
  Layer.mergeAll(
    stores(retryForAMinute(Persistence.layerBackingSql), (name) => retryForAMinute(SqlFencedSessions.layer(name))),
    retryForAMinute(SqlIdentifyTurns.layer)
  )

const inRedis = (stores: Stores, url: Redacted.Redacted) =>
  Layer.mergeAll(stores(Persistence.layerBackingRedis, RedisFencedSessions.layer), IdentifyLimiter.layerShared).pipe(
    Layer.provide(retryForAMinute(NodeRedis.layer({ url: Redacted.value(url) })))
  )

const text = (name: string) =>
  Config.map(
    Config.option(Config.String(name)),
    Option.filter((value) => value.trim() !== "")
  )

const environment = Config.all({
  host: Config.withDefault(Config.String("CLUSTER_HOST"), hostname()),
  port: Config.withDefault(Config.Int("CLUSTER_PORT"), defaultPort),
  listenHost: text("CLUSTER_LISTEN_HOST"),
  secret: Config.map(text("CLUSTER_SECRET"), Option.map(Redacted.make)),
  name: text("CLUSTER_NAME"),
  redis: Config.map(text("REDIS_URL"), Option.map(Redacted.make)),
  runnerHealth: Config.withDefault(Config.Literals(["ping", "k8s"], "CLUSTER_RUNNER_HEALTH"), "ping"),
  namespace: text("CLUSTER_K8S_NAMESPACE"),
  labelSelector: text("CLUSTER_K8S_LABELS"),
  lockExpiration: Config.option(Config.Duration("CLUSTER_LOCK_EXPIRATION"))
})

/**
 * One machine of a cluster, from the environment, where the given options do not say it: CLUSTER_HOST (by default the
 * machine's host name), CLUSTER_PORT, CLUSTER_LISTEN_HOST, CLUSTER_SECRET, CLUSTER_NAME, CLUSTER_LOCK_EXPIRATION ("5 seconds"), REDIS_URL,
 * CLUSTER_RUNNER_HEALTH (`ping` or `k8s`), CLUSTER_K8S_NAMESPACE, CLUSTER_K8S_LABELS.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerEnvWith = (
  options: Partial<MachineOptions>
): ClusterLayer<SocketServerError | Config.ConfigError | Cause.UnknownError, SqlClient.SqlClient> =>
  Layer.unwrap(
    Effect.map(environment, (env) =>
      layer({
        host: options.host ?? env.host,
        port: options.port ?? env.port,
        listenHost: options.listenHost ?? Option.getOrUndefined(env.listenHost),
        secret: options.secret ?? Option.getOrUndefined(env.secret),
        name: options.name ?? Option.getOrUndefined(env.name),
        redis: options.redis ?? Option.getOrUndefined(env.redis),
        runnerHealth: options.runnerHealth ?? env.runnerHealth,
        kubernetes: options.kubernetes ?? {
          namespace: Option.getOrUndefined(env.namespace),
          labelSelector: Option.getOrUndefined(env.labelSelector)
        },
        lockExpiration: options.lockExpiration ?? Option.getOrUndefined(env.lockExpiration),
        sharding: options.sharding
      })
    )
  )

/**
 * A machine of the cluster, configured by the environment alone.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerEnv = layerEnvWith({})

/** Effect's cluster with this machine alone. */
const alone = Sharding.layer.pipe(
  Layer.provide(Runners.layerNoop),
  Layer.provide([MessageStorage.layerNoop, RunnerStorage.layerMemory, RunnerHealth.layerNoop]),
  Layer.provide(ShardingConfig.layer(shardingConfig()))
)

/**
 * The same program on one machine, without a database. Sessions end with the program.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerSingle: ClusterLayer<never, never> = Layer.mergeAll(
  alone,
  SessionStore.layerMemory,
  IdentifyLimiter.layerMemory,
  Persistence.layerBackingMemory
).pipe(Layer.provideMerge(NodeGateway.layerServices))

/**
 * The same program on one machine, without a database: sessions, and the number of shards, are in a file.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerSingleWithFile = (path: string): ClusterLayer<PlatformError, never> =>
  Layer.mergeAll(alone, SessionStore.layerPersisted, IdentifyLimiter.layerMemory).pipe(
    Layer.provideMerge(Persistence.layerBackingKvs),
    Layer.provide(SessionFile.layer(path)),
    Layer.provide(NodeFileSystem.layer),
    Layer.provideMerge(NodeGateway.layerServices)
  )
