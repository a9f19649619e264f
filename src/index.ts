/**
 * `disruption-gateway`: the Discord gateway for Effect programs, free of any platform's modules.
 */
export { Capabilities, type CapabilitiesInput, type CapabilityName } from "./schema/Capabilities.ts"
export {
  CloseCode,
  type CloseCodeDescription,
  closeCodes,
  describeCloseCode,
  type GatewayRecovery,
  recoveryOfCloseCode
} from "./schema/CloseCode.ts"
export type { GatewayCompression, TransportCompression } from "./schema/Compression.ts"
export {
  ConnectionClosed,
  DecompressionFailed,
  HeartbeatTimeout,
  HelloTimeout,
  LimiterUnavailable,
  MalformedPayload,
  OpenFailed,
  ReadyTimeout,
  ReconnectRequested,
  RestartRequested,
  ResumedTimeout,
  SendStalled,
  SessionDeaf,
  SessionInvalidated,
  SystemSlept
} from "./schema/ConnectionError.ts"
export {
  DirectoryMalformed,
  DirectoryRateLimited,
  DirectoryRejected,
  DirectoryUnreachable
} from "./schema/DirectoryError.ts"
export {
  AuthenticationFailed,
  DisallowedIntents,
  IdentifyBudgetExhausted,
  InvalidApiVersion,
  InvalidConfig,
  InvalidIntents,
  InvalidShard,
  OwnedElsewhere,
  OwnerUnknown,
  OwnershipLost,
  ReconnectScheduleEnded,
  ShardingRequired,
  UnsupportedVersion
} from "./schema/FatalError.ts"
export { GatewayError, GatewayErrorReason, isGatewayError } from "./schema/GatewayError.ts"
export {
  GatewayStopped,
  InvalidSendEvent,
  SendQueueFull,
  SendTimeout,
  ShardUnreachable,
  UnknownShard
} from "./schema/SendError.ts"
export { Identity } from "./schema/Identity.ts"
export { IdentifyBudget } from "./schema/IdentifyBudget.ts"
export { VoiceDisconnected, VoiceTimeout } from "./schema/VoiceError.ts"
export type { IdentifyProperties } from "./schema/Handshake.ts"
export { GatewayInfo, SessionStartLimit } from "./schema/GatewayInfo.ts"
export {
  ConnectionChange,
  GatewayMoment,
  GatewaySnapshot,
  IdentifyBacklog,
  RelaySnapshot,
  ShardSnapshot
} from "./schema/GatewaySnapshot.ts"
export * as GatewayMetrics from "./schema/GatewayMetrics.ts"
export { GatewayOpcode } from "./schema/GatewayOpcode.ts"
export {
  intentNames,
  type IntentName,
  Intents,
  type IntentsInput,
  namesOfIntents,
  parseIntents,
  privilegedIntentsIn,
  privilegedIntents
} from "./schema/Intents.ts"
export {
  decodePayload,
  type Dispatch,
  type DispatchData,
  type DispatchName,
  type DispatchOf,
  isDispatch,
  type Payload
} from "./schema/Payload.ts"
export { maxSendBytes, type RequestChannelInfo, SendEvent } from "./schema/SendEvent.ts"
export { SessionHolder } from "./schema/SessionHolder.ts"
export { Session } from "./schema/Session.ts"
export { describeShardEvent, levelOfShardEvent, ShardEvent } from "./schema/ShardEvent.ts"
export { ShardId, shardOfGuild } from "./schema/ShardId.ts"
export { shardStates, type ShardState, ShardStatus } from "./schema/ShardStatus.ts"
export type { Delivery } from "./gateway/Delivery.ts"
export type { Forwarded } from "./gateway/Forwarding.ts"
export { withDispatchSpan } from "./gateway/DispatchSpan.ts"
export {
  type DeadLetter,
  type DispatchHandlers,
  type HandlerError,
  type HandlerOptions,
  type HandlerServices,
  PoisonPayload
} from "./gateway/Handlers.ts"
export { Gateway, GatewayLive, type GatewayServices } from "./gateway/Gateway.ts"
export type { MembersChunk, MembersRequest } from "./gateway/MemberRequests.ts"
export type { SendOptions } from "./gateway/ShardManager.ts"
export {
  type JoinVoiceChannel,
  type LavalinkVoiceState,
  lavalinkVoiceState,
  type VoiceAdapterCreator,
  type VoiceAdapterMethods,
  type VoiceConnection,
  type VoiceServer
} from "./gateway/VoiceConnection.ts"
export { type ShardSelection } from "./schema/ShardSelection.ts"
export { defaultIntents, defaultReconnect, GatewayConfig, GatewayOptions } from "./services/GatewayConfig.ts"
export { Decompression, type Decompressor, type Decompressors } from "./services/Decompression.ts"
export { type GuildChanges, type GuildSnapshot, GuildSnapshots } from "./services/GuildSnapshots.ts"
export type { ReceivedPayload } from "./services/FrameDecoder.ts"
export { type OpenConnection, GatewayConnection } from "./services/GatewayConnection.ts"
export { type DirectoryAnswer, GatewayDirectory } from "./services/GatewayDirectory.ts"
export { Heartbeat, type ConnectionHeartbeat } from "./services/Heartbeat.ts"
export { IdentifyLimiter, type IdentifyTurn, type TakeTurn } from "./services/IdentifyLimiter.ts"
export { IdentifyRecord, IdentifyStore, type IdentifyTimes } from "./services/IdentifyStore.ts"
export { GatewayMonitor, type MonitoredGateway } from "./gateway/GatewayMonitor.ts"
export type { ConnectionBatch } from "./services/SocketInbox.ts"
export { StoreName } from "./services/StoreName.ts"
export { ShardTotalStore, type ShardTotal } from "./services/ShardTotalStore.ts"
export { SessionStore, SessionStoreError } from "./services/SessionStore.ts"
export { type AnnounceOwner, GatewayOwner, type OwnerOptions, type Ownership } from "./services/GatewayOwner.ts"
export type { Lease } from "./services/ShardLease.ts"
export { type OwnerAnswer, type OwnerClaim, OwnerStore, type OwnerStoreFailure } from "./services/OwnerStore.ts"
export * as RedisOwner from "./services/RedisOwner.ts"
export * as SqlOwner from "./services/SqlOwner.ts"
