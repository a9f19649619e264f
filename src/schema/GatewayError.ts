/**
 * What can go wrong, as one error with a tagged `reason`, and what follows from each: RESUME, IDENTIFY anew, or stop.
 *
 * Only fatal errors reach a program's stream. The others end a connection and show up in `Gateway.changes`, in
 * `ShardStatus` and in the log; they can be met directly only by those who call the smaller services themselves.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { CloseCode, describeCloseCode, type Recovery, recoveryOf } from "./CloseCode.ts"
import { namesOfIntents, privilegedIn } from "./Intents.ts"
import type { ShardId } from "./ShardId.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Fatal: a person has to act
// ---------------------------------------------------------------------------------------------------------------------

/** An option has a value that cannot be used. Found at start, before anything is dialled. */
export class InvalidConfig extends Schema.TaggedError<InvalidConfig>()("InvalidConfig", {
  /** The option's or the environment variable's name. */
  option: Schema.String,
  description: Schema.String
}) {
  readonly recovery: Recovery = "fatal"
  override get message() {
    return `${this.option}: ${this.description}`
  }
}

/** Close 4004, or 401 from GET /gateway/bot. */
export class AuthenticationFailed extends Schema.TaggedError<AuthenticationFailed>()("AuthenticationFailed", {}) {
  readonly recovery: Recovery = "fatal"
  override get message() {
    return (
      "Discord refused the bot's token. Copy it from the Developer Portal " +
      "(https://discord.com/developers/applications, your application, Bot, Reset Token) and set it as DISCORD_TOKEN " +
      "or as GatewayConfig's token."
    )
  }
}

/** Close 4010. */
export class InvalidShard extends Schema.TaggedError<InvalidShard>()("InvalidShard", {
  id: Schema.Int,
  total: Schema.Int
}) {
  readonly recovery: Recovery = "fatal"
  override get message() {
    return `Discord refused shard ${this.id} of ${this.total}. Check the option shards (DISCORD_SHARDS).`
  }
}

/** Close 4011. */
export class ShardingRequired extends Schema.TaggedError<ShardingRequired>()("ShardingRequired", {
  total: Schema.Int
}) {
  readonly recovery: Recovery = "fatal"
  override get message() {
    return (
      `The bot is in too many guilds for ${this.total} shard${this.total === 1 ? "" : "s"} (2500 guilds a shard at most). ` +
      "Raise the option shards (DISCORD_SHARDS)."
    )
  }
}

/** Close 4012. */
export class InvalidApiVersion extends Schema.TaggedError<InvalidApiVersion>()("InvalidApiVersion", {}) {
  readonly recovery: Recovery = "fatal"
  override get message() {
    return "Discord does not serve version 10 of the gateway any more. Update disruption-gateway."
  }
}

/** Close 4013. */
export class InvalidIntents extends Schema.TaggedError<InvalidIntents>()("InvalidIntents", {
  /** The bit field that was sent. */
  intents: Schema.Int
}) {
  readonly recovery: Recovery = "fatal"
  override get message() {
    const names = namesOfIntents(this.intents)
    return (
      `Discord does not know the intents ${this.intents} (${names.length === 0 ? "none that is documented" : names.join(", ")}). ` +
      "Check the option intents (DISCORD_INTENTS)."
    )
  }
}

/** Close 4014. */
export class DisallowedIntents extends Schema.TaggedError<DisallowedIntents>()("DisallowedIntents", {
  /** The bit field that was sent. */
  intents: Schema.Int
}) {
  readonly recovery: Recovery = "fatal"
  override get message() {
    const privileged = privilegedIn(this.intents)
    return (
      `The bot may not use ${privileged.length === 0 ? "one of its intents" : privileged.join(", ")}. ` +
      "Enable it in the Developer Portal (https://discord.com/developers/applications, your application, Bot, " +
      "Privileged Gateway Intents) or leave it out of the option intents (DISCORD_INTENTS)."
    )
  }
}

/** How much is left of the day's IDENTIFYs, in a sentence. */
export const describeBudget = ({ remaining, total }: { readonly remaining: number; readonly total: number }): string =>
  remaining <= 0
    ? `All ${total} IDENTIFYs of the day are used up.`
    : `${remaining} of the day's ${total} IDENTIFYs are left, which stay untouched (option identifyReserve).`

/** The day's IDENTIFYs are used up, and the configuration asks to fail rather than to wait. */
export class IdentifyBudgetExhausted extends Schema.TaggedError<IdentifyBudgetExhausted>()("IdentifyBudgetExhausted", {
  /** IDENTIFYs per day. */
  total: Schema.Int,
  /** How many are left, which stay untouched. */
  remaining: Schema.Int,
  /** When they are given anew, in milliseconds since the epoch. */
  resetAt: Schema.Finite
}) {
  readonly recovery: Recovery = "fatal"
  override get message() {
    return (
      `${describeBudget(this)} Going over it would reset the bot's token. ` +
      `There are new ones at ${DateTime.formatIso(DateTime.makeUnsafe(this.resetAt))}.`
    )
  }
}

/** The configured `reconnect` schedule has ended. */
export class ReconnectScheduleEnded extends Schema.TaggedError<ReconnectScheduleEnded>()("ReconnectScheduleEnded", {
  /** Why the last connection ended. */
  last: Schema.String
}) {
  readonly recovery: Recovery = "fatal"
  override get message() {
    return `Gave up reconnecting, as the option reconnect says. The last reason: ${this.last}`
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Recovered from: why a connection ended or could not be made
// ---------------------------------------------------------------------------------------------------------------------

/** The WebSocket could not be opened. */
export class OpenFailed extends Schema.TaggedError<OpenFailed>()("OpenFailed", {
  host: Schema.String,
  description: Schema.String
}) {
  readonly recovery: Recovery = "resume"
  override get message() {
    return `No connection to ${this.host}: ${this.description}`
  }
}

/** No HELLO came in time. */
export class HelloTimeout extends Schema.TaggedError<HelloTimeout>()("HelloTimeout", {
  /** How long it was waited for. */
  after: Schema.DurationFromMillis
}) {
  readonly recovery: Recovery = "resume"
  override get message() {
    return `No HELLO within ${Duration.format(this.after)}`
  }
}

/** No heartbeat was acknowledged between two: the connection is dead, whatever TCP says. */
export class HeartbeatTimeout extends Schema.TaggedError<HeartbeatTimeout>()("HeartbeatTimeout", {
  /** The time between the two heartbeats. */
  interval: Schema.DurationFromMillis
}) {
  readonly recovery: Recovery = "resume"
  override get message() {
    return `A heartbeat was not acknowledged within ${Duration.format(this.interval)}`
  }
}

/** The machine was asleep: whatever the connection looks like, Discord has closed it long ago. */
export class SystemSlept extends Schema.TaggedError<SystemSlept>()("SystemSlept", {
  slept: Schema.DurationFromMillis
}) {
  readonly recovery: Recovery = "resume"
  override get message() {
    return `The machine was asleep for ${Duration.format(this.slept)}`
  }
}

/** The program asked for a new connection. */
export class RestartRequested extends Schema.TaggedError<RestartRequested>()("RestartRequested", {}) {
  readonly recovery: Recovery = "resume"
  override get message() {
    return "A new connection was asked for"
  }
}

/** The limit of IDENTIFYs that is shared with other processes cannot be kept: its store does not answer. */
export class LimiterUnavailable extends Schema.TaggedError<LimiterUnavailable>()("LimiterUnavailable", {
  description: Schema.String
}) {
  readonly recovery: Recovery = "resume"
  override get message() {
    return `Not identifying, since the shared limit cannot be kept: ${this.description}`
  }
}

/** op 7. */
export class ReconnectRequested extends Schema.TaggedError<ReconnectRequested>()("ReconnectRequested", {}) {
  readonly recovery: Recovery = "resume"
  override get message() {
    return "Discord asked for a reconnect"
  }
}

/** op 9. */
export class SessionInvalidated extends Schema.TaggedError<SessionInvalidated>()("SessionInvalidated", {
  resumable: Schema.Boolean
}) {
  get recovery(): Recovery {
    return this.resumable ? "resume" : "identify"
  }
  override get message() {
    return this.resumable ? "The session was interrupted and may be resumed" : "The session is no longer valid"
  }
}

/** The connection was closed by Discord, with a code that does not stop us, or without any (1006). */
export class ConnectionClosed extends Schema.TaggedError<ConnectionClosed>()("ConnectionClosed", {
  code: Schema.Int,
  closeReason: Schema.String
}) {
  get recovery(): Recovery {
    return recoveryOf(this.code)
  }
  override get message() {
    const name = describeCloseCode(this.code)?.name ?? wellKnownCloses[this.code]
    const said = this.closeReason.replace(/\.$/, "")
    const details = [...new Set([name, said])].filter((part) => part !== undefined && part !== "")
    return `Closed with ${this.code}${details.length === 0 ? "" : ` (${details.join(": ")})`}`
  }
}

const wellKnownCloses: Record<number, string> = {
  1000: "normal",
  1001: "going away",
  1005: "no code",
  1006: "connection lost",
  1009: "frame too large"
}

/** A frame that is not a payload. The description says what is wrong and nothing of what is in it. */
export class MalformedPayload extends Schema.TaggedError<MalformedPayload>()("MalformedPayload", {
  description: Schema.String
}) {
  readonly recovery: Recovery = "resume"
  override get message() {
    return `Malformed payload: ${this.description}`
  }
}

/** What came cannot be inflated: the connection's compression is out of step, or a payload is over the limit. */
export class DecompressionFailed extends Schema.TaggedError<DecompressionFailed>()("DecompressionFailed", {
  description: Schema.String
}) {
  readonly recovery: Recovery = "resume"
  override get message() {
    return `Decompression failed: ${this.description}`
  }
}

/** GET /gateway/bot got no answer. */
export class DirectoryUnreachable extends Schema.TaggedError<DirectoryUnreachable>()("DirectoryUnreachable", {
  host: Schema.String,
  description: Schema.String
}) {
  readonly recovery: Recovery = "resume"
  override get message() {
    return `GET /gateway/bot: no answer from ${this.host}: ${this.description}`
  }
}

/** GET /gateway/bot was rate limited. */
export class DirectoryRateLimited extends Schema.TaggedError<DirectoryRateLimited>()("DirectoryRateLimited", {
  /** How long Discord wants us to wait. */
  retryAfter: Schema.DurationFromMillis
}) {
  readonly recovery: Recovery = "resume"
  override get message() {
    return `GET /gateway/bot: rate limited for ${Duration.format(this.retryAfter)}`
  }
}

/** GET /gateway/bot answered with a status that is not 200, 401 or 429. Only 404 is fatal: the URL is wrong. */
export class DirectoryRejected extends Schema.TaggedError<DirectoryRejected>()("DirectoryRejected", {
  status: Schema.Int,
  host: Schema.String
}) {
  get recovery(): Recovery {
    return this.status === 404 ? "fatal" : "resume"
  }
  override get message() {
    return this.status === 404
      ? `GET /gateway/bot: ${this.host} answered 404. Check the option apiUrl (DISCORD_API_URL): https://discord.com/api/v10 is Discord's.`
      : `GET /gateway/bot: ${this.host} answered ${this.status}`
  }
}

/** GET /gateway/bot answered with something else than what Discord documents. */
export class DirectoryMalformed extends Schema.TaggedError<DirectoryMalformed>()("DirectoryMalformed", {
  description: Schema.String
}) {
  readonly recovery: Recovery = "resume"
  override get message() {
    return `GET /gateway/bot: malformed answer: ${this.description}`
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Sending: they concern the one who sends, no connection
// ---------------------------------------------------------------------------------------------------------------------

/** A payload that Discord would not take. Nothing was sent. */
export class InvalidSendEvent extends Schema.TaggedError<InvalidSendEvent>()("InvalidSendEvent", {
  /** Where in the payload: `d.query`. */
  field: Schema.String,
  description: Schema.String
}) {
  readonly recovery: Recovery = "fatal"
  override get message() {
    return `Not sent: ${this.field}: ${this.description}`
  }
}

/** There is no such shard here. Nothing was sent. */
export class UnknownShard extends Schema.TaggedError<UnknownShard>()("UnknownShard", {
  id: Schema.Int,
  known: Schema.Array(Schema.Int)
}) {
  readonly recovery: Recovery = "fatal"
  override get message() {
    const known = this.known.length > 8 ? `${this.known.length} others` : this.known.join(", ")
    return `Not sent: there is no shard ${this.id} here, there is ${known}`
  }
}

/** So many payloads wait to be sent that no more are taken. Nothing was sent. */
export class SendQueueFull extends Schema.TaggedError<SendQueueFull>()("SendQueueFull", {
  capacity: Schema.Int
}) {
  readonly recovery: Recovery = "fatal"
  override get message() {
    return `Not sent: ${this.capacity} payloads are waiting already (option sendQueue)`
  }
}

/** A payload was not sent in time, or was not answered. */
export class SendTimeout extends Schema.TaggedError<SendTimeout>()("SendTimeout", {
  after: Schema.DurationFromMillis,
  what: Schema.Literals(["sent", "answered"])
}) {
  readonly recovery: Recovery = "fatal"
  override get message() {
    return `Not ${this.what} within ${Duration.format(this.after)}`
  }
}

/** The gateway has been shut down. */
export class GatewayStopped extends Schema.TaggedError<GatewayStopped>()("GatewayStopped", {}) {
  readonly recovery: Recovery = "fatal"
  override get message() {
    return "The gateway has been shut down"
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The error
// ---------------------------------------------------------------------------------------------------------------------

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
  GatewayStopped
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
export class GatewayError extends Schema.TaggedError<GatewayError>()("GatewayError", {
  reason: GatewayErrorReason,
  /** The number of the shard that it happened to, where it happened to one. */
  shard: Schema.optionalKey(Schema.Int)
}) {
  override get message(): string {
    return this.shard === undefined ? this.reason.message : `Shard ${this.shard}: ${this.reason.message}`
  }

  /** What follows from it. */
  get recovery(): Recovery {
    return this.reason.recovery
  }
}

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
