/**
 * Cluster entity of a Discord shard: the calls that other machines make to it.
 *
 * The `Singleton` that runs the shard and the `Entity` that answers for it bear the same name in the same shard group, so
 * the cluster puts both on the same machine.
 */
import * as Entity from "effect/cluster/Entity"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import { GatewayError, type GatewayErrorReason } from "../schema/GatewayError.ts"
import { encodeSendEvent, SendEvent } from "../schema/SendEvent.ts"
import { shardStates, ShardStatus } from "../schema/ShardStatus.ts"
import { bodyOf, ClusterMessage, NewerMessage } from "./ClusterMessage.ts"

/**
 * A shard of the cluster at one moment.
 *
 * @since 0.1.0
 * @category models
 */
export class ClusterShardStatus extends Schema.Class<ClusterShardStatus>("disruption-gateway/ClusterShardStatus")({
  ...ShardStatus.fields,
  /** The address of the machine that runs it, `host:port`. None while it is between machines. */
  machine: Schema.OptionFromOptionalKey(Schema.String),
  /** As `ShardStatus` has it, and `moving` while no machine answers for it. */
  state: Schema.Literals([...shardStates, "moving"]),
  /** When it came into this state. None while it is moving. */
  since: Schema.OptionFromOptionalKey(ShardStatus.fields.since)
}) {}

/** Status of a shard that no machine answers for. */
export const movingStatus = {
  machine: Option.none<string>(),
  state: "moving",
  since: Option.none<DateTime.Utc>(),
  sessionId: Option.none<string>(),
  sequence: Option.none<number>(),
  latency: Option.none<Duration.Duration>(),
  waitingToSend: 0,
  reconnects: 0,
  lastReason: Option.none<GatewayErrorReason>()
} as const

/** A payload on its way to the machine of its shard: the frame that its sender has checked and encoded. */
const SentFrame = Schema.Struct({
  frame: Schema.String,
  /** Made by `SendEvent.raw`. */
  raw: Schema.Boolean
})

/** The frame of a payload for another machine. Fails as `Gateway.send` does. */
export const frameOf = (event: SendEvent) =>
  Result.map(encodeSendEvent(event), (frame) => ({ frame, raw: "raw" in event }))

const decodeFrame = Schema.decodeUnknownEffect(
  Schema.fromJsonString(Schema.Unknown).pipe(
    Schema.refine((event): event is SendEvent => Predicate.hasProperty(event, "op") && Predicate.isNumber(event.op))
  )
)

/** The payload of a frame of another machine. */
export const eventOf = ({ frame, raw }: { readonly frame: string; readonly raw: boolean }): Effect.Effect<SendEvent> =>
  decodeFrame(frame).pipe(
    Effect.map((event) => (raw ? SendEvent.raw(event.op, event.d) : event)),
    Effect.orDie
  )

/** Questions to a shard and its answers, as the bodies of messages. */
export const bodies = {
  frame: bodyOf(SentFrame),
  nothing: bodyOf(Schema.Struct({})),
  status: bodyOf(ClusterShardStatus),
  done: bodyOf(Schema.Result(Schema.Void, GatewayError))
}

const call = { payload: ClusterMessage, success: ClusterMessage, error: NewerMessage } as const

/** Entity of a shard: the calls that it answers, wherever it runs. */
export const DiscordShard = Entity.make("disruption-gateway/DiscordShard", [
  /** A frame, answered by what became of it. */
  Rpc.make("Send", call),
  /** Nothing, answered by the status. */
  Rpc.make("Status", call),
  /** Nothing, answered by what became of it. */
  Rpc.make("Restart", call)
])
