/**
 * Counters of dispatches by name: decoded ones, and ones dropped because `events` leaves them out.
 *
 * Hot path: a dispatch costs one map lookup and two additions. Exporters of `effect/Metric` read the numbers on demand.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import * as GatewayMetrics from "../schema/GatewayMetrics.ts"
import * as LazyMetric from "./LazyMetric.ts"

/** The count of one name. */
interface Count {
  dispatches: number
  bytes: number
}

/** Counters over all connections of a gateway. */
export interface DispatchTally {
  /** Counts a decoded dispatch; `bytes` is its JSON, inflated. */
  readonly decoded: (name: string, bytes: number) => void
  /** Counts a dispatch that `events` leaves out. */
  readonly dropped: (name: string, bytes: number) => void
}

/**
 * Limit of distinct names, above Discord's own count. Names over it count as `other`, so a peer cannot fill the memory.
 */
const capacity = 500
const rest = "other"

/** Counters registered in a context's metrics until the scope closes. */
export const make = Effect.fnUntraced(function* (
  context: Context.Context<never>
): Effect.fn.Return<DispatchTally, never, Scope.Scope> {
  const registrations: Array<Metric.Registration> = []
  const register = (counter: Metric.Counter<number>, event: string, value: () => number) => {
    registrations.push(LazyMetric.registerCounter(counter, { event }, context, value))
  }

  const counting = (dispatches: Metric.Counter<number>, bytes: Metric.Counter<number>) => {
    const counts = new Map<string, Count>()
    const start = (event: string): Count => {
      if (counts.size >= capacity && event !== rest) return counts.get(rest) ?? start(rest)
      const count = { dispatches: 0, bytes: 0 }
      counts.set(event, count)
      register(dispatches, event, () => count.dispatches)
      register(bytes, event, () => count.bytes)
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
    decoded: counting(GatewayMetrics.dispatches, GatewayMetrics.dispatchBytes),
    dropped: counting(GatewayMetrics.droppedDispatches, GatewayMetrics.droppedDispatchBytes)
  }
})
