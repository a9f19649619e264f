/**
 * What can go wrong, as one error with a tagged `reason`, and what follows from each: RESUME, IDENTIFY anew, or stop.
 *
 * Only fatal errors reach a program's stream. The others end a connection and show up in `Gateway.changes`, in
 * `ShardStatus` and in the log; they can be met directly only by those who call the smaller services themselves.
 */
import * as Schema from "effect/Schema"
import { CloseCode, type Recovery } from "./CloseCode.ts"
import {
  ConnectionClosed,
  DecompressionFailed,
  HeartbeatTimeout,
  HelloTimeout,
  LimiterUnavailable,
  MalformedPayload,
  OpenFailed,
  ReconnectRequested,
  RestartRequested,
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
  ReconnectScheduleEnded,
  ShardingRequired
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
  OpenFailed,
  HelloTimeout,
  HeartbeatTimeout,
  SystemSlept,
  RestartRequested,
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
  ShardUnreachable
] as const

/** Every reason of a `GatewayError`. */
export const GatewayErrorReason = Schema.Union(reasons)

/** Every reason of a `GatewayError`. */
export type GatewayErrorReason = typeof GatewayErrorReason.Type

/**
 * The library's one error.
 *
 * ```ts
 * program.pipe(Effect.catchReason("GatewayError", "DisallowedIntents", (reason) => Effect.logError(reason.message)))
 * ```
 */
export class GatewayError extends Schema.TaggedError<GatewayError>("disruption-gateway/GatewayError")("GatewayError", {
  reason: GatewayErrorReason,
  /** The number of the shard that it happened to, where it happened to one. */
  shard: Schema.optionalKey(Schema.Int)
}) {
  override get message(): string {
    return this.shard === undefined ? this.reason.message : `Shard ${this.shard}: ${this.reason.message}`
  }

  /** What follows from it for the shard: nothing where a send failed. */
  get recovery(): Recovery | undefined {
    return "recovery" in this.reason ? this.reason.recovery : undefined
  }
}

/** Whether something is a `GatewayError`. */
export const isGatewayError: (input: unknown) => input is GatewayError = Schema.is(GatewayError)

/** The reason for a close by Discord: its own tag where the code is fatal, otherwise `ConnectionClosed`. */
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
