/**
 * The gateway's series of `effect/Metric`: docs/metrics.md has them in a table.
 *
 * Counters are fed by the events of `Gateway.changes`. Gauges (states, latencies, fill) cost nothing until an exporter reads
 * them.
 */
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type { GatewayError } from "../schema/GatewayError.ts"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import type { SendEvent } from "../schema/SendEvent.ts"
import type { ShardEvent } from "../schema/ShardEvent.ts"
import type { ShardStatus } from "../schema/ShardStatus.ts"
import * as LazyMetric from "../services/LazyMetric.ts"

/** The instruments of one gateway. */
export interface GatewayMetrics {
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

/** The full name of a series. */
export const nameOf = (name: string) => `discord_gateway_${name}`

const secondsOf = Duration.toSeconds

/** From a ping inside a data centre to a peer that is nearly given up. */
const latencies = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
/** From at once, over the wait for a session, to that for the rate limit. */
const waits = [0.001, 0.01, 0.1, 1, 5, 10, 30, 60, 120]
const descriptions = {
  reconnects_total: "Connections, and attempts to connect, that ended, by why",
  resumes_total: "Sessions that went on by RESUME",
  replayed_dispatches_total: "Dispatches that RESUME brought",
  identifies_total: "IDENTIFYs sent",
  sessions_dropped_total: "Sessions given up",
  missing_dispatches_total: "Sequences that never came",
  duplicate_dispatches_total: "Dispatches that came again and were left out",
  malformed_payloads_total: "Payloads left out since they could not be read",
  sends_total: "Payloads handed to the socket",
  send_failures_total: "Payloads that were not sent, by why",
  reading_held_seconds_total: "Time in which nothing was read since the subscribers had enough"
} as const

/** Makes the instruments, which write to the registry of the program. */
export const make = (context: Context.Context<never>): GatewayMetrics => {
  const add = (name: keyof typeof descriptions, attributes: Record<string, string>, amount = 1) =>
    Metric.counter(nameOf(name), { description: descriptions[name], attributes, incremental: true }).updateUnsafe(
      amount,
      context
    )
  const latency = Metric.histogram(nameOf("heartbeat_latency_seconds"), {
    description: "Time from a heartbeat to its acknowledgement",
    boundaries: latencies
  })
  const sendWait = Metric.histogram(nameOf("send_wait_seconds"), {
    description: "Time from a send to the socket",
    boundaries: waits
  })

  return {
    onEvent: (event) => {
      const shard = String(event.shard)
      switch (event._tag) {
        case "Disconnected":
          return add("reconnects_total", { shard, reason: event.reason._tag })
        case "Resumed":
          add("resumes_total", { shard })
          return add("replayed_dispatches_total", { shard }, event.replayed)
        case "Identifying":
          return add("identifies_total", { shard })
        case "SessionDropped":
          return add("sessions_dropped_total", { shard })
        case "GapDetected":
          return add("missing_dispatches_total", { shard }, event.to - event.from + 1)
        case "DuplicateDropped":
          return add("duplicate_dispatches_total", { shard })
        case "MalformedSkipped":
          return add("malformed_payloads_total", { shard })
      }
    },
    onLatency: (time) => latency.updateUnsafe(secondsOf(time), context),
    onHeld: (shard, time) => add("reading_held_seconds_total", { shard: String(shard) }, secondsOf(time)),
    measureSend: (event, sending) =>
      Effect.timed(sending).pipe(
        Effect.map(([time]) => {
          add("sends_total", { op: nameOfOp(event.op) })
          sendWait.updateUnsafe(secondsOf(time), context)
        }),
        Effect.tapError(({ reason }) =>
          Effect.sync(() => add("send_failures_total", { op: nameOfOp(event.op), reason: reason._tag }))
        )
      )
  }
}

const opNames: Record<number, string> = Object.fromEntries(
  Object.entries(GatewayOpcode).map(([name, op]) => [op, name])
)
const nameOfOp = (op: number): string => opNames[op] ?? String(op)

/** Lets exporters read each shard's state and latency, until the scope closes. */
export const observeShards = Effect.fnUntraced(function* (
  shards: Iterable<{ readonly status: ShardStatus }>,
  context: Context.Context<never>
) {
  const register = (shard: { readonly status: ShardStatus }) => {
    const attributes = { shard: String(shard.status.shard.id) }
    const ready = Metric.gauge(nameOf("shard_ready"), {
      description: "1 while the shard has a session and receives",
      attributes
    })
    const latency = Metric.gauge(nameOf("shard_latency_seconds"), {
      description: "The shard's last heartbeat, to its acknowledgement",
      attributes
    })
    return [
      LazyMetric.register(ready, context, () => ({ value: shard.status.state === "ready" ? 1 : 0 })),
      LazyMetric.register(latency, context, () => ({
        value: Option.match(shard.status.latency, { onNone: () => NaN, onSome: secondsOf })
      }))
    ]
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => Array.from(shards, register).flat()),
    (registrations) =>
      Effect.sync(() => {
        for (const { remove } of registrations) remove()
      })
  )
})
