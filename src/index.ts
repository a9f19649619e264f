/**
 * `disruption-gateway`: the Discord gateway for Effect programs, free of any platform's modules.
 */
export {
  CloseCode,
  type CloseCodeDescription,
  closeCodes,
  describeCloseCode,
  type Recovery,
  recoveryOf
} from "./schema/CloseCode.ts"
export type { Compression, TransportCompression } from "./schema/Compression.ts"
export * from "./schema/ConnectionError.ts"
export * from "./schema/DirectoryError.ts"
export * from "./schema/FatalError.ts"
export * from "./schema/GatewayError.ts"
export * from "./schema/SendError.ts"
export type { IdentifyProperties } from "./schema/Handshake.ts"
export { GatewayInfo, SessionStartLimit } from "./schema/GatewayInfo.ts"
export type {
  BudgetSnapshot,
  ConnectionChange,
  GatewaySnapshot,
  IdentifyQueue,
  GatewayMoment,
  ShardSnapshot
} from "./schema/GatewaySnapshot.ts"
export { GatewayOpcode } from "./schema/GatewayOpcode.ts"
export {
  intentNames,
  type IntentName,
  Intents,
  type IntentsInput,
  namesOfIntents,
  parseIntents,
  privilegedIn,
  privilegedIntents
} from "./schema/Intents.ts"
export {
  decodePayload,
  type Dispatch,
  type DispatchName,
  type DispatchOf,
  isDispatch,
  type Payload
} from "./schema/Payload.ts"
export { Hello, Ready } from "./schema/ReceiveEvent.ts"
export { maxSendBytes, type RequestChannelInfo, SendEvent } from "./schema/SendEvent.ts"
export { Session } from "./schema/Session.ts"
export { describeShardEvent, levelOfShardEvent, ShardEvent } from "./schema/ShardEvent.ts"
export { ShardId, shardOfGuild } from "./schema/ShardId.ts"
export { shardStates, type ShardState, type ShardStatus } from "./schema/ShardStatus.ts"
export { withDispatchSpan } from "./gateway/DispatchSpan.ts"
export { Gateway, GatewayLive, type GatewayServices } from "./gateway/Gateway.ts"
export { defaultIntents, defaultReconnect, GatewayConfig, GatewayOptions } from "./services/GatewayConfig.ts"
export { Decompression, type Decompressor, type Decompressors, type Inflated } from "./services/Decompression.ts"
export type { Received } from "./services/FrameDecoder.ts"
export { type Connection, GatewayConnection } from "./services/GatewayConnection.ts"
export { type DirectoryAnswer, GatewayDirectory } from "./services/GatewayDirectory.ts"
export { Heartbeat, type ConnectionHeartbeat } from "./services/Heartbeat.ts"
export { IdentifyLimiter, type IdentifyTurn } from "./services/IdentifyLimiter.ts"
export { GatewayMonitor } from "./gateway/GatewayMonitor.ts"
export type { Batch } from "./services/SocketInbox.ts"
export { SessionStore } from "./services/SessionStore.ts"
export { version } from "./version.ts"
