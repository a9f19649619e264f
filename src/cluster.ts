/**
 * `disruption-gateway/cluster`: the bot's shards spread over machines by Effect's cluster.
 */
export * as ClusterDashboard from "./cluster/ClusterDashboard.ts"
export * as ClusterHealth from "./cluster/ClusterHealth.ts"
export * as ClusterTiming from "./cluster/ClusterTiming.ts"
export { ClusterShardStatus } from "./cluster/DiscordShard.ts"
export { type ClusterServices, GatewayCluster, ProgramFailed, type ProgramServices } from "./cluster/GatewayCluster.ts"
export * as NodeCluster from "./cluster/NodeCluster.ts"
