/**
 * Metrics of relays: their names and descriptions. Every series has the label `relay`, the name of the broker.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"

/**
 * Dispatches that were written to the broker.
 *
 * @since 0.1.0
 * @category metrics
 */
export const published = Metric.counter("discord_relay_published_total", {
  description: "Dispatches that were written to the broker",
  incremental: true
})

/**
 * Dispatches that the broker had already: those around a crash of the relay.
 *
 * @since 0.1.0
 * @category metrics
 */
export const repeated = Metric.counter("discord_relay_repeated_total", {
  description: "Dispatches that the broker had already",
  incremental: true
})

/**
 * 1 while nothing can be written, because the broker is full or does not answer, otherwise 0.
 *
 * @since 0.1.0
 * @category metrics
 */
export const held = Metric.gauge("discord_relay_held", {
  description: "1 while the broker is full or does not answer"
})

/**
 * Dispatches in the broker that are not acknowledged.
 *
 * @since 0.1.0
 * @category metrics
 */
export const depth = Metric.gauge("discord_relay_depth", { description: "Dispatches that are not acknowledged" })

/**
 * Age in seconds of the oldest dispatch that is not acknowledged; 0 for none.
 *
 * @since 0.1.0
 * @category metrics
 */
export const age = Metric.gauge("discord_relay_age_seconds", {
  description: "Age of the oldest dispatch that is not acknowledged"
})

/**
 * Dead letters in the broker.
 *
 * @since 0.1.0
 * @category metrics
 */
export const deadLetters = Metric.gauge("discord_relay_dead_letters", { description: "Dead letters in the broker" })

/**
 * Consumers that are heard of.
 *
 * @since 0.1.0
 * @category metrics
 */
export const consumers = Metric.gauge("discord_relay_consumers", { description: "Consumers that are heard of" })
