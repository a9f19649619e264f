/**
 * Series of `effect/Metric` that cost nothing until an exporter reads them.
 */
import type * as Context from "effect/Context"
import { constVoid } from "effect/Function"
import * as Metric from "effect/Metric"

/** Registers a metric whose state is what `get` gives when it is read. */
export const register = <Input, State>(
  metric: Metric.Metric<Input, State>,
  context: Context.Context<never>,
  get: () => State
): Metric.Registration => Metric.registerUnsafe(metric, context, { get, update: constVoid, modify: constVoid })

/**
 * Registers a counter whose count is kept elsewhere. Removed, it goes on with the last count as an ordinary counter: an
 * exporter that ends after the gateway still sends all of it, and the next gateway counts on from there.
 */
export const registerCounter = (
  metric: Metric.Counter<number>,
  context: Context.Context<never>,
  own: () => number
): Metric.Registration => {
  const before = metric.valueUnsafe(context).count
  const registration = register(metric, context, () => ({ count: before + own(), incremental: true }))
  return {
    remove: () => {
      registration.remove()
      metric.updateUnsafe(before + own(), context)
    }
  }
}
