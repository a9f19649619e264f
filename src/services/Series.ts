/**
 * A series of `effect/Metric` that costs nothing until an exporter reads it.
 */
import type * as Context from "effect/Context"
import { constVoid } from "effect/Function"
import * as Metric from "effect/Metric"

/** Registers a metric whose state is what `get` gives when it is read. */
export const read = <Input, State>(
  metric: Metric.Metric<Input, State>,
  context: Context.Context<never>,
  get: () => State
): Metric.Registration => Metric.registerUnsafe(metric, context, { get, update: constVoid, modify: constVoid })
