import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import { DisallowedIntents } from "../../src/schema/FatalError.ts"
import { GatewayError, type GatewayErrorReason, isGatewayError } from "../../src/schema/GatewayError.ts"
import {
  GatewayStopped,
  InvalidSendEvent,
  SendQueueFull,
  SendTimeout,
  ShardUnreachable,
  UnknownShard
} from "../../src/schema/SendError.ts"

const unsent: ReadonlyArray<GatewayErrorReason> = [
  new InvalidSendEvent({ field: "d.limit", description: "is negative" }),
  new UnknownShard({ id: 7, known: [0, 1] }),
  new SendQueueFull({ capacity: 2 }),
  new SendTimeout({ after: Duration.seconds(30), what: "sent" })
]
const perhapsSent: ReadonlyArray<GatewayErrorReason> = [
  new ShardUnreachable({ id: 7, description: "no answer" }),
  new SendTimeout({ after: Duration.seconds(30), what: "answered" }),
  new GatewayStopped()
]

describe("the error of a send", () => {
  for (const reason of [...unsent, ...perhapsSent]) {
    it(`calls for no recovery of the shard: ${reason.message}`, () => {
      assert.isUndefined(new GatewayError({ reason, shard: 7 }).recovery)
    })
  }

  it("says that a payload was not sent only where it certainly was not", () => {
    for (const { message } of unsent) assert.match(message, /^Not sent/)
    for (const { message } of perhapsSent) assert.notMatch(message, /not sent/i)
  })
})

describe("isGatewayError", () => {
  it("tells a GatewayError from its reason and from other errors", () => {
    const reason = new DisallowedIntents({ intents: 2 })
    assert.isTrue(isGatewayError(new GatewayError({ reason })))
    for (const other of [reason, new Error("GatewayError"), { _tag: "GatewayError" }, undefined]) {
      assert.isFalse(isGatewayError(other))
    }
  })
})
