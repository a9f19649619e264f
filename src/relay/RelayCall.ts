/**
 * Calls of consumers to the relay, and what it tells of itself: messages of the broker's channels, JSON.
 *
 * A call is made at most once: a relay takes it out of its channel before it makes it. One that was killed with it leaves its asker
 * to the time limit.
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { GatewayError } from "../schema/GatewayError.ts"
import { GatewayInfo } from "../schema/GatewayInfo.ts"
import { IdentifyBudget } from "../schema/IdentifyBudget.ts"
import { Identity } from "../schema/Identity.ts"
import type { SendEvent } from "../schema/SendEvent.ts"
import { Session } from "../schema/Session.ts"
import { ShardEvent } from "../schema/ShardEvent.ts"
import { ShardStatus } from "../schema/ShardStatus.ts"

/** Channel of the calls, that of the changes, and that of a consumer's answers. */
export const channels = {
  calls: "calls",
  changes: "changes",
  answersTo: (consumer: string) => `answers:${consumer}`
}

/** Name of what a relay tells of itself, among the broker's texts. */
export const stateOf = (relay: string) => `relay:${relay}`

/** True for the name of a relay's state. */
export const isState = (name: string) => name.startsWith("relay:")

/** Call of a consumer to the relay. */
export const RelayCall = Schema.Struct({
  version: Schema.Literal(1),
  /** Number of the call, of those of its consumer. */
  id: Schema.Int,
  /** Name of the consumer, which the answers go to. */
  from: Schema.String,
  /** When the consumer waits no longer, in milliseconds since the epoch. */
  until: Schema.Finite,
  what: Schema.Union([
    Schema.TaggedStruct("Send", {
      /** The payload, JSON: `op` and `d`. */
      frame: Schema.String,
      /** Made by `SendEvent.raw`. */
      raw: Schema.Boolean,
      shard: Schema.optionalKey(Schema.Int)
    }),
    Schema.TaggedStruct("RequestMembers", {
      /** The request, JSON. */
      request: Schema.String,
      /** Milliseconds for each chunk of the answer. */
      timeout: Schema.Finite
    }),
    Schema.TaggedStruct("Restart", { shard: Schema.Int }),
    Schema.TaggedStruct("Reshard", { total: Schema.Int })
  ])
})

export interface RelayCall extends Schema.Schema.Type<typeof RelayCall> {}

/** Answer to a call: its end, or a part of it. */
export const RelayAnswer = Schema.Struct({
  /** Number of the call. */
  to: Schema.Int,
  what: Schema.Union([
    Schema.TaggedStruct("Done", {}),
    Schema.TaggedStruct("Failed", { error: GatewayError }),
    /** A chunk of members, JSON. */
    Schema.TaggedStruct("Members", { chunk: Schema.String })
  ])
})

export interface RelayAnswer extends Schema.Schema.Type<typeof RelayAnswer> {}

/** State of a relay, which it tells every second. */
export const RelayState = Schema.Struct({
  version: Schema.Literal(1),
  at: Schema.Finite,
  shards: Schema.Array(ShardStatus),
  sessions: Schema.Array(Session),
  identity: Schema.OptionFromOptionalKey(Identity),
  budget: Schema.OptionFromOptionalKey(IdentifyBudget),
  info: Schema.OptionFromOptionalKey(GatewayInfo)
})

export interface RelayState extends Schema.Schema.Type<typeof RelayState> {}

const textOf = <A, I>(schema: Schema.Codec<A, I>) => {
  const codec = Schema.fromJsonString(Schema.toCodecJson(schema))
  return { encode: Schema.encodeEffect(codec), decode: Schema.decodeEffect(codec) }
}

/** Codecs of the messages. */
export const texts = {
  call: textOf(RelayCall),
  answer: textOf(RelayAnswer),
  state: textOf(RelayState),
  change: textOf(ShardEvent)
}

/** Reads the payload of a call. */
export const decodeFrame = Schema.decodeUnknownEffect(
  Schema.fromJsonString(Schema.Unknown).pipe(
    Schema.refine((event): event is SendEvent => Predicate.hasProperty(event, "op") && Predicate.isNumber(event.op))
  )
)
