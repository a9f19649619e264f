/**
 * Reasons of a `GatewayError` that concern the one who sends, and no connection: nothing follows from them for a shard.
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/** A payload that Discord would not take. Nothing was sent. */
export class InvalidSendEvent extends Schema.TaggedError<InvalidSendEvent>(
  "disruption-gateway/GatewayError/InvalidSendEvent"
)("InvalidSendEvent", {
  /** Where in the payload: `d.query`. */
  field: Schema.String,
  description: Schema.String
}) {
  override get message() {
    return `Not sent: ${this.field}: ${this.description}`
  }
}

/** There is no such shard here. Nothing was sent. */
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

/** The machine that runs the shard does not take the payload. It may have been sent. */
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

/** So many payloads wait to be sent that no more are taken. Nothing was sent. */
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

/** A payload was not sent in time, or was not answered. */
export class SendTimeout extends Schema.TaggedError<SendTimeout>("disruption-gateway/GatewayError/SendTimeout")(
  "SendTimeout",
  {
    after: Schema.DurationFromMillis,
    what: Schema.Literals(["sent", "answered"])
  }
) {
  override get message() {
    return `Not ${this.what} within ${Duration.format(this.after)}`
  }
}

/** The gateway has been shut down. */
export class GatewayStopped extends Schema.TaggedError<GatewayStopped>(
  "disruption-gateway/GatewayError/GatewayStopped"
)("GatewayStopped", {}) {
  override get message() {
    return "The gateway has been shut down"
  }
}
