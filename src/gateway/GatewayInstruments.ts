/**
 * Instruments of one gateway, which feed `schema/GatewayMetrics.ts`: counters from the events of `Gateway.changes`, gauges
 * (states, latencies) only when an exporter reads them.
 */
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import { dispatchNames } from "../schema/DispatchNames.ts"
import type { GatewayError, GatewayErrorReason } from "../schema/GatewayError.ts"
import * as GatewayMetrics from "../schema/GatewayMetrics.ts"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import type { SendEvent } from "../schema/SendEvent.ts"
import type { ShardEvent } from "../schema/ShardEvent.ts"
import type { ShardStatus } from "../schema/ShardStatus.ts"
import * as LazyMetric from "../services/LazyMetric.ts"

/** The instruments of one gateway. */
export interface GatewayInstruments {
  /** Something happened to a shard. */
  readonly onEvent: (event: ShardEvent) => void
  /** A heartbeat was acknowledged. */
  readonly onLatency: (latency: Duration.Duration) => void
  /** The subscribers held a shard's socket. */
  readonly onHeld: (shard: number, time: Duration.Duration) => void
  /** Counts a send, times its wait, and tells failures apart by their reason. */
  readonly measureSend: (
    event: SendEvent,
    sending: Effect.Effect<void, GatewayError>
  ) => Effect.Effect<void, GatewayError>
}

/**
 * Makes the instruments, which write to the registry of the context. Counters begin at 0, so that a rate sees their first
 * increase: those of a bot here, those of a shard in `observeShards`, where an exporter has read the metrics once.
 */
export const make = (
  context: Context.Context<never>,
  /** The dispatches that are counted from the start; undefined for all. */
  events: ReadonlySet<string> | undefined
): GatewayInstruments => {
  const add = adder(context)
  add(GatewayMetrics.reshards, {}, 0)
  for (const reason of deferralReasons) add(GatewayMetrics.growthDeferrals, { reason }, 0)
  for (const op of sentOps) add(GatewayMetrics.sends, { op }, 0)
  for (const event of dispatchNames) {
    if (events?.has(event) !== false) add(GatewayMetrics.dispatches, { event }, 0)
  }

  return {
    onEvent: (event) => {
      const shard = String(event.shard)
      switch (event._tag) {
        case "Disconnected":
          return add(GatewayMetrics.reconnects, { shard, reason: event.reason._tag })
        case "Resumed":
          add(GatewayMetrics.resumes, { shard })
          return add(GatewayMetrics.replayedDispatches, { shard }, event.replayed)
        case "Identifying":
          return add(GatewayMetrics.identifies, { shard })
        case "Resharded":
          return add(GatewayMetrics.reshards, {})
        case "GrowthDeferred":
          return add(GatewayMetrics.growthDeferrals, { reason: event.why })
        case "SessionDropped":
          return add(GatewayMetrics.sessionsDropped, { shard })
        case "GapDetected":
          return add(GatewayMetrics.missingDispatches, { shard }, event.to - event.from + 1)
        case "DuplicateDropped":
          return add(GatewayMetrics.duplicateDispatches, { shard })
        case "MalformedSkipped":
          return add(GatewayMetrics.malformedPayloads, { shard })
      }
    },
    onLatency: (time) => GatewayMetrics.heartbeatLatency.updateUnsafe(Duration.toSeconds(time), context),
    onHeld: (shard, time) => add(GatewayMetrics.readingHeld, { shard: String(shard) }, Duration.toSeconds(time)),
    measureSend: (event, sending) =>
      Effect.timed(sending).pipe(
        Effect.map(([time]) => {
          add(GatewayMetrics.sends, { op: nameOfOp(event.op) })
          GatewayMetrics.sendWait.updateUnsafe(Duration.toSeconds(time), context)
        }),
        Effect.tapError(({ reason }) =>
          Effect.sync(() => add(GatewayMetrics.sendFailures, { op: nameOfOp(event.op), reason: reason._tag }))
        )
      )
  }
}

const adder =
  (context: Context.Context<never>) =>
  (counter: Metric.Counter<number>, attributes: Metric.Metric.AttributeSet, amount = 1) =>
    Metric.withAttributes(counter, attributes).updateUnsafe(amount, context)

const deferralReasons: ReadonlyArray<Extract<ShardEvent, { readonly _tag: "GrowthDeferred" }>["why"]> = [
  "budget",
  "too-soon",
  "unanswered",
  "failed"
]

/** Opcodes that a program sends. */
const sentOps = [
  "PresenceUpdate",
  "VoiceStateUpdate",
  "RequestGuildMembers",
  "RequestSoundboardSounds",
  "RequestChannelInfo"
] as const satisfies ReadonlyArray<keyof typeof GatewayOpcode>

/** Counters of a shard. */
const ofShard = [
  GatewayMetrics.resumes,
  GatewayMetrics.replayedDispatches,
  GatewayMetrics.identifies,
  GatewayMetrics.sessionsDropped,
  GatewayMetrics.missingDispatches,
  GatewayMetrics.duplicateDispatches,
  GatewayMetrics.malformedPayloads,
  GatewayMetrics.readingHeld
]

/** Reasons for which connections end on an ordinary day. Each reason is a series of each shard, so that others begin when they come. */
const usualReasons: ReadonlyArray<GatewayErrorReason["_tag"]> = [
  "ConnectionClosed",
  "HeartbeatTimeout",
  "OpenFailed",
  "ReconnectRequested",
  "SessionInvalidated"
]

const opNames: Record<number, string> = Object.fromEntries(
  Object.entries(GatewayOpcode).map(([name, op]) => [op, name])
)
const nameOfOp = (op: number): string => opNames[op] ?? String(op)

/** The figures of a shard that exporters read. */
export interface ObservedShard {
  readonly status: ShardStatus
  readonly guilds: number
}

/**
 * Lets exporters read each shard's state, latency and guilds, until the scope closes. Its counters begin at 0 once something has
 * read the metrics: measured, they are a quarter of what an idle shard holds, for which a program without an exporter has no use.
 */
export const observeShards = Effect.fnUntraced(function* (
  shards: Iterable<ObservedShard>,
  context: Context.Context<never>
) {
  const add = adder(context)
  const all = [...shards]
  let areRead = false
  const beginCounters = () => {
    if (areRead) return
    areRead = true
    for (const { status } of all) {
      const attributes = { shard: String(status.shard.id) }
      for (const counter of ofShard) add(counter, attributes, 0)
      for (const reason of usualReasons) add(GatewayMetrics.reconnects, { ...attributes, reason }, 0)
    }
  }
  const register = (shard: ObservedShard) => {
    const attributes = { shard: String(shard.status.shard.id) }
    return [
      LazyMetric.register(Metric.withAttributes(GatewayMetrics.shardReady, attributes), context, () => {
        beginCounters()
        return { value: shard.status.state === "ready" ? 1 : 0 }
      }),
      LazyMetric.register(Metric.withAttributes(GatewayMetrics.shardGuilds, attributes), context, () => ({
        value: shard.guilds
      })),
      LazyMetric.register(Metric.withAttributes(GatewayMetrics.shardLatency, attributes), context, () => ({
        value: Option.match(shard.status.latency, { onNone: () => NaN, onSome: Duration.toSeconds })
      }))
    ]
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => all.flatMap(register)),
    (registrations) =>
      Effect.sync(() => {
        for (const { remove } of registrations) remove()
      })
  )
})
