/**
 * Counts dispatches by name: those that are decoded, and those that are dropped since nobody asked for them.
 *
 * It is on the hot path: a lookup by name and two additions each, in numbers of its own that an exporter of
 * `effect/Metric` reads when it wants to.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import * as LazyMetric from "./LazyMetric.ts"

/** The count of one name. */
interface Count {
  dispatches: number
  bytes: number
}

/** Counts what all connections of a gateway bring. */
export interface DispatchTally {
  /** A dispatch of so many bytes of JSON was decoded. */
  readonly decoded: (name: string, bytes: number) => void
  /** A dispatch that nobody asked for was dropped. */
  readonly dropped: (name: string, bytes: number) => void
}

/** More names than Discord has: a peer that makes them up must not fill the memory. */
const capacity = 500
const rest = "other"

/** Starts counting in a context of metrics, until the scope closes. */
export const make = Effect.fnUntraced(function* (
  context: Context.Context<never>
): Effect.fn.Return<DispatchTally, never, Scope.Scope> {
  const registrations: Array<Metric.Registration> = []
  const register = (name: string, description: string, event: string, value: () => number) => {
    const metric = Metric.counter(name, { description, attributes: { event }, incremental: true })
    registrations.push(LazyMetric.registerCounter(metric, context, value))
  }

  const counting = (names: {
    readonly dispatches: readonly [name: string, description: string]
    readonly bytes: readonly [name: string, description: string]
  }) => {
    const counts = new Map<string, Count>()
    const start = (event: string): Count => {
      if (counts.size >= capacity && event !== rest) return counts.get(rest) ?? start(rest)
      const count = { dispatches: 0, bytes: 0 }
      counts.set(event, count)
      register(...names.dispatches, event, () => count.dispatches)
      register(...names.bytes, event, () => count.bytes)
      return count
    }
    return (event: string, bytes: number) => {
      const count = counts.get(event) ?? start(event)
      count.dispatches++
      count.bytes += bytes
    }
  }

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const { remove } of registrations) remove()
    })
  )
  return {
    decoded: counting({
      dispatches: ["discord_gateway_dispatches_total", "Dispatches decoded, by event"],
      bytes: ["discord_gateway_dispatch_bytes_total", "Their JSON, inflated, in bytes"]
    }),
    dropped: counting({
      dispatches: ["discord_gateway_dropped_dispatches_total", "Dispatches dropped before parsing: not in `events`"],
      bytes: ["discord_gateway_dropped_dispatch_bytes_total", "Their JSON, inflated, in bytes"]
    })
  }
})
