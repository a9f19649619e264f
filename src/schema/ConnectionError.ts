/**
 * Reasons of a `GatewayError` that are recovered from: why a connection ended or could not be made. They show up in
 * `Gateway.changes`, in `ShardStatus` and in the log.
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { describeCloseCode, type Recovery, recoveryOf } from "./CloseCode.ts"

/** The WebSocket could not be opened. */
export class OpenFailed extends Schema.TaggedError<OpenFailed>("disruption-gateway/GatewayError/OpenFailed")(
  "OpenFailed",
  {
    host: Schema.String,
    description: Schema.String
  }
) {
  readonly recovery: Recovery = "resume"
  override get message() {
    return `No connection to ${this.host}: ${this.description}`
  }
}

/** No HELLO came in time. */
export class HelloTimeout extends Schema.TaggedError<HelloTimeout>("disruption-gateway/GatewayError/HelloTimeout")(
  "HelloTimeout",
  {
    /** How long it was waited for. */
    after: Schema.DurationFromMillis
  }
) {
  readonly recovery: Recovery = "resume"
  override get message() {
    return `No HELLO within ${Duration.format(this.after)}`
  }
}

/** No heartbeat was acknowledged between two: the connection is dead, whatever TCP says. */
export class HeartbeatTimeout extends Schema.TaggedError<HeartbeatTimeout>(
  "disruption-gateway/GatewayError/HeartbeatTimeout"
)("HeartbeatTimeout", {
  /** The time between the two heartbeats. */
  interval: Schema.DurationFromMillis
}) {
  readonly recovery: Recovery = "resume"
  override get message() {
    return `A heartbeat was not acknowledged within ${Duration.format(this.interval)}`
  }
}

/** The machine was asleep: whatever the connection looks like, Discord has closed it long ago. */
export class SystemSlept extends Schema.TaggedError<SystemSlept>("disruption-gateway/GatewayError/SystemSlept")(
  "SystemSlept",
  {
    slept: Schema.DurationFromMillis
  }
) {
  readonly recovery: Recovery = "resume"
  override get message() {
    return `The machine was asleep for ${Duration.format(this.slept)}`
  }
}

/** The program asked for a new connection. */
export class RestartRequested extends Schema.TaggedError<RestartRequested>(
  "disruption-gateway/GatewayError/RestartRequested"
)("RestartRequested", {}) {
  readonly recovery: Recovery = "resume"
  override get message() {
    return "A new connection was asked for"
  }
}

/** The limit of IDENTIFYs that is shared with other processes cannot be kept: its store does not answer. */
export class LimiterUnavailable extends Schema.TaggedError<LimiterUnavailable>(
  "disruption-gateway/GatewayError/LimiterUnavailable"
)("LimiterUnavailable", {
  description: Schema.String
}) {
  readonly recovery: Recovery = "resume"
  override get message() {
    return `Not identifying, since the shared limit cannot be kept: ${this.description}`
  }
}

/** op 7. */
export class ReconnectRequested extends Schema.TaggedError<ReconnectRequested>(
  "disruption-gateway/GatewayError/ReconnectRequested"
)("ReconnectRequested", {}) {
  readonly recovery: Recovery = "resume"
  override get message() {
    return "Discord asked for a reconnect"
  }
}

/** op 9. */
export class SessionInvalidated extends Schema.TaggedError<SessionInvalidated>(
  "disruption-gateway/GatewayError/SessionInvalidated"
)("SessionInvalidated", {
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
export class ConnectionClosed extends Schema.TaggedError<ConnectionClosed>(
  "disruption-gateway/GatewayError/ConnectionClosed"
)("ConnectionClosed", {
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
export class MalformedPayload extends Schema.TaggedError<MalformedPayload>(
  "disruption-gateway/GatewayError/MalformedPayload"
)("MalformedPayload", {
  description: Schema.String
}) {
  readonly recovery: Recovery = "resume"
  override get message() {
    return `Malformed payload: ${this.description}`
  }
}

/** What came cannot be inflated: the connection's compression is out of step, or a payload is over the limit. */
export class DecompressionFailed extends Schema.TaggedError<DecompressionFailed>(
  "disruption-gateway/GatewayError/DecompressionFailed"
)("DecompressionFailed", {
  description: Schema.String
}) {
  readonly recovery: Recovery = "resume"
  override get message() {
    return `Decompression failed: ${this.description}`
  }
}
