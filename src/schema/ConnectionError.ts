/**
 * Recoverable reasons of a `GatewayError`: a connection ended or could not be made. They appear in `Gateway.changes`,
 * in
 * `ShardStatus` and in the log.
 */
import * as Schema from "effect/Schema"
import { describeCloseCode, type GatewayRecovery, recoveryOfCloseCode } from "./CloseCode.ts"
import { durationText } from "./DurationText.ts"

/**
 * The WebSocket could not be opened.
 *
 * @category errors
 * @since 0.1.0
 */
export class OpenFailed extends Schema.TaggedError<OpenFailed>("disruption-gateway/GatewayError/OpenFailed")(
  "OpenFailed",
  {
    host: Schema.String,
    description: Schema.String,
    /** Wait that an answer in place of the upgrade asks for (Retry-After), an hour at most. */
    retryAfter: Schema.optionalKey(Schema.DurationFromMillis)
  }
) {
  readonly recovery: GatewayRecovery = "resume"
  override get message() {
    return `No connection to ${this.host}: ${this.description}`
  }
}

/**
 * No HELLO came in time.
 *
 * @category errors
 * @since 0.1.0
 */
export class HelloTimeout extends Schema.TaggedError<HelloTimeout>("disruption-gateway/GatewayError/HelloTimeout")(
  "HelloTimeout",
  {
    /** Duration of the wait. */
    after: Schema.DurationFromMillis
  }
) {
  readonly recovery: GatewayRecovery = "resume"
  override get message() {
    return `No HELLO within ${durationText(this.after)}`
  }
}

/**
 * IDENTIFY was not answered in time, while heartbeats were acknowledged.
 *
 * @category errors
 * @since 0.1.0
 */
export class ReadyTimeout extends Schema.TaggedError<ReadyTimeout>("disruption-gateway/GatewayError/ReadyTimeout")(
  "ReadyTimeout",
  {
    /** Duration of the wait. */
    after: Schema.DurationFromMillis
  }
) {
  readonly recovery: GatewayRecovery = "resume"
  override get message() {
    return `IDENTIFY was not answered by READY within ${durationText(this.after)}`
  }
}

/**
 * RESUME was not answered in time, and nothing was replayed meanwhile, while heartbeats were acknowledged.
 *
 * @category errors
 * @since 0.1.0
 */
export class ResumedTimeout extends Schema.TaggedError<ResumedTimeout>(
  "disruption-gateway/GatewayError/ResumedTimeout"
)("ResumedTimeout", {
  /** Duration of the wait. */
  after: Schema.DurationFromMillis
}) {
  readonly recovery: GatewayRecovery = "resume"
  override get message() {
    return `RESUME was not answered, and nothing replayed, within ${durationText(this.after)}`
  }
}

/**
 * Zombie connection: a heartbeat was not acknowledged before the next.
 *
 * @category errors
 * @since 0.1.0
 */
export class HeartbeatTimeout extends Schema.TaggedError<HeartbeatTimeout>(
  "disruption-gateway/GatewayError/HeartbeatTimeout"
)("HeartbeatTimeout", {
  /** The time between the two heartbeats. */
  interval: Schema.DurationFromMillis
}) {
  readonly recovery: GatewayRecovery = "resume"
  override get message() {
    return `A heartbeat was not acknowledged within ${durationText(this.interval)}`
  }
}

/**
 * The machine was asleep. Discord has closed the connection, even if it still looks open.
 *
 * @category errors
 * @since 0.1.0
 */
export class SystemSlept extends Schema.TaggedError<SystemSlept>("disruption-gateway/GatewayError/SystemSlept")(
  "SystemSlept",
  {
    slept: Schema.DurationFromMillis
  }
) {
  readonly recovery: GatewayRecovery = "resume"
  override get message() {
    return `The machine was asleep for ${durationText(this.slept)}`
  }
}

/**
 * The program asked for a new connection.
 *
 * @category errors
 * @since 0.1.0
 */
export class RestartRequested extends Schema.TaggedError<RestartRequested>(
  "disruption-gateway/GatewayError/RestartRequested"
)("RestartRequested", {}) {
  readonly recovery: GatewayRecovery = "resume"
  override get message() {
    return "A new connection was asked for"
  }
}

/**
 * The store of the shared limit of IDENTIFYs does not answer.
 *
 * @category errors
 * @since 0.1.0
 */
export class LimiterUnavailable extends Schema.TaggedError<LimiterUnavailable>(
  "disruption-gateway/GatewayError/LimiterUnavailable"
)("LimiterUnavailable", {
  description: Schema.String
}) {
  readonly recovery: GatewayRecovery = "resume"
  override get message() {
    return `Not identifying, since the shared limit cannot be kept: ${this.description}`
  }
}

/**
 * Deaf session: heartbeats were acknowledged, but no event came, and no answer to a probe.
 *
 * @category errors
 * @since 0.1.0
 */
export class SessionDeaf extends Schema.TaggedError<SessionDeaf>("disruption-gateway/GatewayError/SessionDeaf")(
  "SessionDeaf",
  {
    /** Time since the last dispatch. */
    silence: Schema.DurationFromMillis,
    /** RESUMEs have not helped: the next connection identifies. */
    isLasting: Schema.Boolean
  }
) {
  get recovery(): GatewayRecovery {
    return this.isLasting ? "identify" : "resume"
  }
  override get message() {
    return `No event for ${durationText(this.silence)}, and no answer to a probe, though heartbeats are acknowledged`
  }
}

/**
 * The peer takes nothing: what was sent waits in the socket, over the limit.
 *
 * @category errors
 * @since 0.1.0
 */
export class SendStalled extends Schema.TaggedError<SendStalled>("disruption-gateway/GatewayError/SendStalled")(
  "SendStalled",
  {
    /** Bytes that wait in the socket. */
    buffered: Schema.Int
  }
) {
  readonly recovery: GatewayRecovery = "resume"
  override get message() {
    return `The peer takes nothing: ${this.buffered} bytes wait in the socket`
  }
}

/**
 * Discord's op 7.
 *
 * @category errors
 * @since 0.1.0
 */
export class ReconnectRequested extends Schema.TaggedError<ReconnectRequested>(
  "disruption-gateway/GatewayError/ReconnectRequested"
)("ReconnectRequested", {}) {
  readonly recovery: GatewayRecovery = "resume"
  override get message() {
    return "Discord asked for a reconnect"
  }
}

/**
 * Discord's op 9.
 *
 * @category errors
 * @since 0.1.0
 */
export class SessionInvalidated extends Schema.TaggedError<SessionInvalidated>(
  "disruption-gateway/GatewayError/SessionInvalidated"
)("SessionInvalidated", {
  resumable: Schema.Boolean
}) {
  get recovery(): GatewayRecovery {
    return this.resumable ? "resume" : "identify"
  }
  override get message() {
    return this.resumable ? "The session was interrupted and may be resumed" : "The session is no longer valid"
  }
}

/**
 * Discord closed the connection with a code that is not fatal, or it ended without a close frame (1006).
 *
 * @category errors
 * @since 0.1.0
 */
export class ConnectionClosed extends Schema.TaggedError<ConnectionClosed>(
  "disruption-gateway/GatewayError/ConnectionClosed"
)("ConnectionClosed", {
  code: Schema.Int,
  closeReason: Schema.String
}) {
  get recovery(): GatewayRecovery {
    return recoveryOfCloseCode(this.code)
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

/**
 * A frame is not a payload. The description has nothing of its content.
 *
 * @category errors
 * @since 0.1.0
 */
export class MalformedPayload extends Schema.TaggedError<MalformedPayload>(
  "disruption-gateway/GatewayError/MalformedPayload"
)("MalformedPayload", {
  description: Schema.String
}) {
  readonly recovery: GatewayRecovery = "resume"
  override get message() {
    return `Malformed payload: ${this.description}`
  }
}

/**
 * Inflating failed: the data is corrupt, or a payload is over the limit.
 *
 * @category errors
 * @since 0.1.0
 */
export class DecompressionFailed extends Schema.TaggedError<DecompressionFailed>(
  "disruption-gateway/GatewayError/DecompressionFailed"
)("DecompressionFailed", {
  description: Schema.String
}) {
  readonly recovery: GatewayRecovery = "resume"
  override get message() {
    return `Decompression failed: ${this.description}`
  }
}
