/**
 * The gateway's metrics: their names, descriptions and units. docs/metrics.md has their labels in a table.
 *
 * These are handles, as in `effect/cluster/ClusterMetrics`; a running gateway feeds them. A label is an attribute:
 * `Metric.withAttributes(GatewayMetrics.shards, { state: "ready" })` is one series. With a token of Discord's every series has
 * the label `bot`, the bot's id. Gauges are computed when they are read and are those of the process: several gateways of a
 * bot, as a machine of a cluster has, add up.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"

/** Boundaries from a ping inside a data centre to a peer that is nearly given up. */
const latencyBoundaries = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
/** Boundaries from at once, over the wait for a session, to that for the rate limit. */
const sendBoundaries = [0.001, 0.01, 0.1, 1, 5, 10, 30, 60, 120]
/** Boundaries from a garbage collection to a process that hangs. */
const lagBoundaries = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5]

/**
 * Shards by `state`, one of `shardStates`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const shards = Metric.gauge("discord_gateway_shards", { description: "Shards, by state" })

/**
 * 1 while a `shard` has a session and receives, otherwise 0.
 *
 * @since 0.1.0
 * @category metrics
 */
export const shardReady = Metric.gauge("discord_gateway_shard_ready", {
  description: "1 while the shard has a session and receives"
})

/**
 * Latency of a `shard`'s last heartbeat in seconds; NaN before the first acknowledgement.
 *
 * @since 0.1.0
 * @category metrics
 */
export const shardLatency = Metric.gauge("discord_gateway_shard_latency_seconds", {
  description: "The shard's last heartbeat, to its acknowledgement"
})

/**
 * Latency of the heartbeats of all shards, in seconds.
 *
 * @since 0.1.0
 * @category metrics
 */
export const heartbeatLatency = Metric.histogram("discord_gateway_heartbeat_latency_seconds", {
  description: "Time from a heartbeat to its acknowledgement",
  boundaries: latencyBoundaries
})

/**
 * Dispatches that were decoded, by `event`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const dispatches = Metric.counter("discord_gateway_dispatches_total", {
  description: "Dispatches decoded, by event",
  incremental: true
})

/**
 * Bytes of JSON, inflated, of the dispatches that were decoded, by `event`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const dispatchBytes = Metric.counter("discord_gateway_dispatch_bytes_total", {
  description: "Their JSON, inflated, in bytes",
  incremental: true
})

/**
 * Dispatches that were dropped by their name before they were parsed, by `event`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const droppedDispatches = Metric.counter("discord_gateway_dropped_dispatches_total", {
  description: "Dispatches dropped before parsing: nobody wants them",
  incremental: true
})

/**
 * Bytes of JSON, inflated, of the dispatches that were dropped before they were parsed, by `event`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const droppedDispatchBytes = Metric.counter("discord_gateway_dropped_dispatch_bytes_total", {
  description: "Their JSON, inflated, in bytes",
  incremental: true
})

/**
 * Connections, and attempts to connect, that ended, by `shard` and `reason`, the tag of a `GatewayError`'s reason.
 *
 * @since 0.1.0
 * @category metrics
 */
export const reconnects = Metric.counter("discord_gateway_reconnects_total", {
  description: "Connections, and attempts to connect, that ended, by why",
  incremental: true
})

/**
 * Sessions that went on by RESUME, by `shard`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const resumes = Metric.counter("discord_gateway_resumes_total", {
  description: "Sessions that went on by RESUME",
  incremental: true
})

/**
 * Dispatches that RESUME brought, by `shard`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const replayedDispatches = Metric.counter("discord_gateway_replayed_dispatches_total", {
  description: "Dispatches that RESUME brought",
  incremental: true
})

/**
 * IDENTIFYs sent, by `shard`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const identifies = Metric.counter("discord_gateway_identifies_total", {
  description: "IDENTIFYs sent",
  incremental: true
})

/**
 * IDENTIFYs left of the day's budget; NaN until Discord was asked.
 *
 * @since 0.1.0
 * @category metrics
 */
export const identifyBudgetRemaining = Metric.gauge("discord_gateway_identify_budget_remaining", {
  description: "IDENTIFYs left of the day's budget"
})

/**
 * IDENTIFYs that Discord allows in a day; NaN until Discord was asked.
 *
 * @since 0.1.0
 * @category metrics
 */
export const identifyBudgetTotal = Metric.gauge("discord_gateway_identify_budget_total", {
  description: "IDENTIFYs that Discord allows in a day"
})

/**
 * Number of guilds of a `shard`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const shardGuilds = Metric.gauge("discord_gateway_shard_guilds", { description: "The shard's guilds" })

/**
 * Number of shards that Discord recommends; NaN until it was asked, and where the number is set.
 *
 * @since 0.1.0
 * @category metrics
 */
export const recommendedShards = Metric.gauge("discord_gateway_recommended_shards", {
  description: "Shards that Discord recommends"
})

/**
 * Changes of the number of shards.
 *
 * @since 0.1.0
 * @category metrics
 */
export const reshards = Metric.counter("discord_gateway_reshards_total", {
  description: "Changes of the number of shards",
  incremental: true
})

/**
 * Times that growing was put off, by `reason`: `budget`, `too-soon`, `unanswered`, `failed`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const growthDeferrals = Metric.counter("discord_gateway_growth_deferrals_total", {
  description: "Times that growing was put off, by why",
  incremental: true
})

/**
 * Sessions given up, by `shard`: what was missed since is lost.
 *
 * @since 0.1.0
 * @category metrics
 */
export const sessionsDropped = Metric.counter("discord_gateway_sessions_dropped_total", {
  description: "Sessions given up",
  incremental: true
})

/**
 * Sequences that never came, by `shard`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const missingDispatches = Metric.counter("discord_gateway_missing_dispatches_total", {
  description: "Sequences that never came",
  incremental: true
})

/**
 * Dispatches that came again and were left out, by `shard`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const duplicateDispatches = Metric.counter("discord_gateway_duplicate_dispatches_total", {
  description: "Dispatches that came again and were left out",
  incremental: true
})

/**
 * Payloads left out because they could not be read, by `shard`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const malformedPayloads = Metric.counter("discord_gateway_malformed_payloads_total", {
  description: "Payloads left out since they could not be read",
  incremental: true
})

/**
 * Payloads handed to the socket, by `op`, the name of an opcode.
 *
 * @since 0.1.0
 * @category metrics
 */
export const sends = Metric.counter("discord_gateway_sends_total", {
  description: "Payloads handed to the socket",
  incremental: true
})

/**
 * Payloads that were not sent, by `op` and `reason`, the tag of a `GatewayError`'s reason.
 *
 * @since 0.1.0
 * @category metrics
 */
export const sendFailures = Metric.counter("discord_gateway_send_failures_total", {
  description: "Payloads that were not sent, by why",
  incremental: true
})

/**
 * Time from `send` to the socket, in seconds.
 *
 * @since 0.1.0
 * @category metrics
 */
export const sendWait = Metric.histogram("discord_gateway_send_wait_seconds", {
  description: "Time from a send to the socket",
  boundaries: sendBoundaries
})

/**
 * Payloads that wait to be sent.
 *
 * @since 0.1.0
 * @category metrics
 */
export const sendsWaiting = Metric.gauge("discord_gateway_sends_waiting", {
  description: "Payloads that wait to be sent"
})

/**
 * Payloads that wait for the slowest subscriber.
 *
 * @since 0.1.0
 * @category metrics
 */
export const bufferedPayloads = Metric.gauge("discord_gateway_buffered_payloads", {
  description: "Payloads that wait for the slowest subscriber"
})

/**
 * Share of the fullest buffer that is taken, from 0 to 1; at 1 reading pauses.
 *
 * @since 0.1.0
 * @category metrics
 */
export const bufferFillRatio = Metric.gauge("discord_gateway_buffer_fill_ratio", {
  description: "Share of the fullest buffer that is taken; at 1 reading pauses"
})

/**
 * Age in seconds of the oldest payload in hand that is not acknowledged; 0 where there is none.
 *
 * @since 0.1.0
 * @category metrics
 */
export const oldestUnacknowledged = Metric.gauge("discord_gateway_oldest_unacknowledged_seconds", {
  description: "Age of the oldest payload in hand that is not acknowledged"
})

/**
 * Seconds in which nothing was read because the subscribers had enough, by `shard`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const readingHeld = Metric.counter("discord_gateway_reading_held_seconds_total", {
  description: "Time in which nothing was read since the subscribers had enough",
  incremental: true
})

/**
 * Lateness of a timer in seconds, measured every 5 seconds: time that the program kept the event loop busy.
 *
 * @since 0.1.0
 * @category metrics
 */
export const eventLoopLag = Metric.histogram("discord_gateway_event_loop_lag_seconds", {
  description: "How late a timer fires: time that the program kept the event loop busy",
  boundaries: lagBoundaries
})
