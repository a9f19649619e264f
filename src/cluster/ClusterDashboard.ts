/**
 * The dashboard of a whole cluster, from any of its machines: the status of every shard, and the events of those here.
 *
 * It asks every shard once a second, wherever that runs: one machine that serves it is enough.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as GatewayDashboard from "../dashboard/GatewayDashboard.ts"
import type { ShardStatus } from "../schema/ShardStatus.ts"
import { GatewayDirectory } from "../services/GatewayDirectory.ts"
import { GatewayMonitor, type MonitoredGateway } from "../gateway/GatewayMonitor.ts"
import type { ClusterShardStatus } from "./DiscordShard.ts"
import { GatewayCluster } from "./GatewayCluster.ts"

const monitored: Effect.Effect<MonitoredGateway, never, GatewayCluster | GatewayDirectory> = Effect.gen(function* () {
  const cluster = yield* GatewayCluster
  const directory = yield* GatewayDirectory
  return {
    changes: cluster.changes,
    shards: Effect.flatMap(DateTime.now, (now) =>
      Effect.map(cluster.shards, (shards) => shards.map((shard) => statusOf(shard, now)))
    ),
    identifyBudget: Effect.sync(directory.budget),
    info: Effect.map(
      directory.recent(Duration.minutes(1)),
      Option.map(({ info }) => info)
    )
  }
})

/** Status for the monitor, which has no state `moving`: such a shard is shown as `connecting`. */
const statusOf = (shard: ClusterShardStatus, now: DateTime.Utc): ShardStatus => ({
  ...shard,
  state: shard.state === "moving" ? "connecting" : shard.state,
  since: Option.getOrElse(shard.since, () => now)
})

/**
 * The cluster's dashboard at a path of your choice.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWith = (
  options: GatewayDashboard.DashboardOptions
): Layer.Layer<never, never, HttpRouter.HttpRouter | GatewayCluster | GatewayDirectory> =>
  GatewayDashboard.layerOfMonitor({ title: "Discord cluster", ...options }).pipe(
    Layer.provide(GatewayMonitor.layerOf(monitored))
  )

/**
 * The cluster's dashboard: `HttpRouter.serve(ClusterDashboard.layer)`, at `/gateway`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = layerWith({})
