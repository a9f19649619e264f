/**
 * `disruption-gateway/cluster`: the bot's shards spread over machines by Effect's cluster.
 */
export { shardingConfig, timing } from "./cluster/ClusterTiming.ts"
export { ClusterShardStatus } from "./cluster/DiscordShard.ts"
export { type ClusterServices, GatewayCluster, ProgramFailed } from "./cluster/GatewayCluster.ts"
export { type MachineOptions, NodeCluster } from "./cluster/NodeCluster.ts"
export { ClusterHealth } from "./cluster/ClusterHealth.ts"
export { ClusterDashboard } from "./cluster/ClusterDashboard.ts"
