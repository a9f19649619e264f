/**
 * `disruption-gateway/relay`: a broker between the connection and the bot's code.
 */
export { GatewayRelay, type RelayStatus } from "./relay/GatewayRelay.ts"
export * as MemoryBroker from "./relay/MemoryBroker.ts"
export * as RedisBroker from "./relay/redis/RedisBroker.ts"
export {
  type BrokerOptions,
  type BrokerStatus,
  type ChannelMessage,
  type LeasedPartition,
  type Leases,
  type PartitionEntries,
  type Published,
  RelayBroker,
  RelayBrokerError,
  type RelayDeadLetter
} from "./relay/RelayBroker.ts"
export * as RelayDashboard from "./relay/RelayDashboard.ts"
export * as RelayHealth from "./relay/RelayHealth.ts"
export * as RelayMetrics from "./relay/RelayMetrics.ts"
export * as RelayGateway from "./relay/RelayGateway.ts"
export * as RelayRecord from "./relay/RelayRecord.ts"
export * as SqlBroker from "./relay/sql/SqlBroker.ts"
