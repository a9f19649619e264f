/**
 * Reasons of a `GatewayError` that only the sender gets: they do not end a connection, so they have no recovery.
 */
import * as Schema from "effect/Schema"
import { durationText } from "./DurationText.ts"

/**
 * Discord would reject the payload. Nothing was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidSendEvent extends Schema.TaggedError<InvalidSendEvent>(
  "disruption-gateway/GatewayError/InvalidSendEvent"
)("InvalidSendEvent", {
  /** Path in the payload: `d.query`. */
  field: Schema.String,
  description: Schema.String
}) {
  override get message() {
    return `Not sent: ${this.field}: ${this.description}`
  }
}

/**
 * The gateway does not run the shard. Nothing was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnknownShard extends Schema.TaggedError<UnknownShard>("disruption-gateway/GatewayError/UnknownShard")(
  "UnknownShard",
  {
    id: Schema.Int,
    known: Schema.Array(Schema.Int)
  }
) {
  override get message() {
    const known = this.known.length > 8 ? `${this.known.length} others` : this.known.join(", ")
    return `Not sent: there is no shard ${this.id} here, there is ${known}`
  }
}

/**
 * The machine that runs the shard did not confirm the payload, which may have been sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class ShardUnreachable extends Schema.TaggedError<ShardUnreachable>(
  "disruption-gateway/GatewayError/ShardUnreachable"
)("ShardUnreachable", {
  id: Schema.Int,
  description: Schema.String
}) {
  override get message() {
    return `The machine that runs shard ${this.id} cannot be reached: ${this.description}`
  }
}

/**
 * The shard's send queue is full. Nothing was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class SendQueueFull extends Schema.TaggedError<SendQueueFull>("disruption-gateway/GatewayError/SendQueueFull")(
  "SendQueueFull",
  {
    capacity: Schema.Int
  }
) {
  override get message() {
    return `Not sent: ${this.capacity} payloads are waiting already (option sendQueue)`
  }
}

/**
 * A payload was not sent, or not answered, in time.
 *
 * @category errors
 * @since 0.1.0
 */
export class SendTimeout extends Schema.TaggedError<SendTimeout>("disruption-gateway/GatewayError/SendTimeout")(
  "SendTimeout",
  {
    after: Schema.DurationFromMillis,
    what: Schema.Literals(["sent", "answered"])
  }
) {
  override get message() {
    return `Not ${this.what} within ${durationText(this.after)}`
  }
}

/**
 * The gateway has been shut down.
 *
 * @category errors
 * @since 0.1.0
 */
export class GatewayStopped extends Schema.TaggedError<GatewayStopped>(
  "disruption-gateway/GatewayError/GatewayStopped"
)("GatewayStopped", {}) {
  override get message() {
    return "The gateway has been shut down"
  }
}
