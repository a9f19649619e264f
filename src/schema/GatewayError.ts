/**
 * The library's one error, with a tagged `reason` and the recovery from it: RESUME, a new IDENTIFY, or none.
 *
 * Only fatal errors reach a program's stream. The others end a connection and appear in `Gateway.changes`, in
 * `ShardStatus` and in the log; only direct callers of the smaller services receive them.
 */
import * as Schema from "effect/Schema"
import { CloseCode, type GatewayRecovery } from "./CloseCode.ts"
import {
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
} from "./ConnectionError.ts"
import { DirectoryMalformed, DirectoryRateLimited, DirectoryRejected, DirectoryUnreachable } from "./DirectoryError.ts"
import {
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
} from "./FatalError.ts"
import {
  GatewayStopped,
  InvalidSendEvent,
  SendQueueFull,
  SendTimeout,
  ShardUnreachable,
  UnknownShard
} from "./SendError.ts"
import type { ShardId } from "./ShardId.ts"
import { VoiceDisconnected, VoiceTimeout } from "./VoiceError.ts"

const reasons = [
  InvalidConfig,
  AuthenticationFailed,
  InvalidShard,
  ShardingRequired,
  InvalidApiVersion,
  InvalidIntents,
  DisallowedIntents,
  IdentifyBudgetExhausted,
  ReconnectScheduleEnded,
  OwnedElsewhere,
  OwnerUnknown,
  OwnershipLost,
  UnsupportedVersion,
  OpenFailed,
  HelloTimeout,
  ReadyTimeout,
  ResumedTimeout,
  HeartbeatTimeout,
  SystemSlept,
  RestartRequested,
  SendStalled,
  SessionDeaf,
  LimiterUnavailable,
  ReconnectRequested,
  SessionInvalidated,
  ConnectionClosed,
  MalformedPayload,
  DecompressionFailed,
  DirectoryUnreachable,
  DirectoryRateLimited,
  DirectoryRejected,
  DirectoryMalformed,
  InvalidSendEvent,
  UnknownShard,
  SendQueueFull,
  SendTimeout,
  GatewayStopped,
  ShardUnreachable,
  VoiceTimeout,
  VoiceDisconnected
] as const

/**
 * Schema of every reason of a `GatewayError`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const GatewayErrorReason = Schema.Union(reasons)

/**
 * Every reason of a `GatewayError`.
 *
 * @category errors
 * @since 0.1.0
 */
export type GatewayErrorReason = typeof GatewayErrorReason.Type

/**
 * The library's one error.
 *
 * ```ts
 * program.pipe(Effect.catchReason("GatewayError", "DisallowedIntents", (reason) => Effect.logError(reason.message)))
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class GatewayError extends Schema.TaggedError<GatewayError>("disruption-gateway/GatewayError")("GatewayError", {
  reason: GatewayErrorReason,
  /** Number of the shard concerned, if any. */
  shard: Schema.optionalKey(Schema.Int)
}) {
  override get message(): string {
    return this.shard === undefined ? this.reason.message : `Shard ${this.shard}: ${this.reason.message}`
  }

  /** The shard's recovery; undefined for a failed send, which does not concern the connection. */
  get recovery(): GatewayRecovery | undefined {
    return "recovery" in this.reason ? this.reason.recovery : undefined
  }
}

/**
 * Guard for `GatewayError`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isGatewayError: (input: unknown) => input is GatewayError = Schema.is(GatewayError)

/** Reason for a close by Discord: a tag of its own for each fatal code, otherwise `ConnectionClosed`. */
export const reasonOfClose = (
  code: number,
  closeReason: string,
  sent: { readonly shard: ShardId; readonly intents: number }
): GatewayErrorReason => {
  switch (code) {
    case CloseCode.AuthenticationFailed:
      return new AuthenticationFailed()
    case CloseCode.InvalidShard:
      return new InvalidShard({ id: sent.shard.id, total: sent.shard.total })
    case CloseCode.ShardingRequired:
      return new ShardingRequired({ total: sent.shard.total })
    case CloseCode.InvalidApiVersion:
      return new InvalidApiVersion()
    case CloseCode.InvalidIntents:
      return new InvalidIntents({ intents: sent.intents })
    case CloseCode.DisallowedIntents:
      return new DisallowedIntents({ intents: sent.intents })
    default:
      return new ConnectionClosed({ code, closeReason })
  }
}
