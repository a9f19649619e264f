/**
 * Lazy series of `effect/Metric`: their value is computed when an exporter reads it.
 */
import * as Context from "effect/Context"
import { constVoid } from "effect/Function"
import * as Metric from "effect/Metric"

/** Registers a metric whose state `get` computes at each read. */
export const register = <Input, State>(
  metric: Metric.Metric<Input, State>,
  context: Context.Context<never>,
  get: () => State
): Metric.Registration => Metric.registerUnsafe(metric, context, { get, update: constVoid, modify: constVoid })

interface CounterSeries {
  readonly sources: Set<() => number>
  /** Sum of the removed sources. */
  ended: number
  readonly registration: Metric.Registration
}

/** Registered series, by registry and then by the metric's identity. */
const counters = new WeakMap<Metric.MetricRegistry, Map<string, CounterSeries>>()

/**
 * Registers a source of a counter; the sources of one series add up. When the last source is removed, the series
 * becomes an ordinary counter with the sum: an exporter that outlives the gateway still sends it, and the next gateway
 * continues from it.
 */
export const registerCounter = (
  counter: Metric.Counter<number>,
  attributes: Metric.Metric.AttributeSet,
  context: Context.Context<never>,
  source: () => number
): Metric.Registration => {
  const metric = Metric.withAttributes(counter, attributes)
  const registry = Context.get(context, Metric.MetricRegistry)
  const all = counters.get(registry) ?? new Map<string, CounterSeries>()
  counters.set(registry, all)
  const key = JSON.stringify([counter.id, attributes, Context.get(context, Metric.CurrentMetricAttributes)])
  const series = all.get(key) ?? startSeries(metric, context)
  all.set(key, series)
  series.sources.add(source)
  return {
    remove: () => {
      if (!series.sources.delete(source)) return
      series.ended += source()
      if (series.sources.size > 0) return
      all.delete(key)
      series.registration.remove()
      metric.updateUnsafe(series.ended, context)
    }
  }
}

const startSeries = (
  metric: Metric.Metric<number, Metric.CounterState<number>>,
  context: Context.Context<never>
): CounterSeries => {
  const sources = new Set<() => number>()
  const series: CounterSeries = {
    sources,
    ended: metric.valueUnsafe(context).count,
    registration: register(metric, context, () => ({
      count: [...sources].reduce((sum, count) => sum + count(), series.ended),
      incremental: true
    }))
  }
  return series
}
