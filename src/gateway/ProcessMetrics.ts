/**
 * Gauges of a process: one set for each bot, summed over its gateways. A machine of a cluster has a gateway for each of its
 * shards; gauges of their own would replace one another, and show the last gateway.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as GatewayMetrics from "../schema/GatewayMetrics.ts"
import type { IdentifyBudget } from "../schema/IdentifyBudget.ts"
import { shardStates, type ShardStatus } from "../schema/ShardStatus.ts"
import * as LazyMetric from "../services/LazyMetric.ts"
import * as ProcessWatch from "./ProcessWatch.ts"

/** The figures of a gateway that exporters read. */
export interface ObservedGateway {
  readonly shards: () => ReadonlyArray<ShardStatus>
  /** Payloads that wait for the subscribers, and the share of the room for them that is taken. */
  readonly buffer: () => { readonly payloads: number; readonly fill: number }
  readonly budget: () => Option.Option<IdentifyBudget>
  /** Number of shards that Discord recommends. Undefined until it was asked, and where the number is set. */
  readonly recommended: () => number | undefined
  /** Age in seconds of the oldest payload in hand that is not acknowledged; 0 where there is none. */
  readonly unacknowledged: () => number
}

interface Group {
  readonly gateways: Set<ObservedGateway>
  readonly registrations: ReadonlyArray<Metric.Registration>
}

/** Registered gauges, by registry and attributes. */
const groups = new WeakMap<Metric.MetricRegistry, Map<string, Group>>()

/** Adds a gateway to the gauges of its bot, until the scope closes. */
export const observe = (
  gateway: ObservedGateway,
  context: Context.Context<never>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.andThen(
    Effect.acquireRelease(
      Effect.sync(() => join(gateway, context)),
      (leave) => Effect.sync(leave)
    ),
    ProcessWatch.onLag((late) => GatewayMetrics.eventLoopLag.updateUnsafe(Duration.toSeconds(late), context))
  )

const join = (gateway: ObservedGateway, context: Context.Context<never>): (() => void) => {
  const registry = Context.get(context, Metric.MetricRegistry)
  const key = JSON.stringify(Context.get(context, Metric.CurrentMetricAttributes))
  const all = groups.get(registry) ?? new Map<string, Group>()
  groups.set(registry, all)
  const group = all.get(key) ?? makeGroup(context)
  all.set(key, group)
  group.gateways.add(gateway)
  return () => {
    group.gateways.delete(gateway)
    if (group.gateways.size > 0) return
    all.delete(key)
    for (const { remove } of group.registrations) remove()
  }
}

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, number) => total + number, 0)

const makeGroup = (context: Context.Context<never>): Group => {
  const gateways = new Set<ObservedGateway>()
  const gauge = (metric: Metric.Metric<number, Metric.GaugeState<number>>, value: () => number) =>
    LazyMetric.register(metric, context, () => ({ value: value() }))
  const all = <A>(read: (gateway: ObservedGateway) => A): ReadonlyArray<A> => [...gateways].map(read)
  const shards = () => all((gateway) => gateway.shards()).flat()
  // One directory serves all gateways of a bot in a process.
  const left = (of: (budget: IdentifyBudget) => number) =>
    Option.match(Option.firstSomeOf(all((gateway) => gateway.budget())), { onNone: () => NaN, onSome: of })

  return {
    gateways,
    registrations: [
      ...shardStates.map((state) =>
        gauge(
          Metric.withAttributes(GatewayMetrics.shards, { state }),
          () => shards().filter((shard) => shard.state === state).length
        )
      ),
      gauge(GatewayMetrics.sendsWaiting, () => sum(shards().map(({ waitingToSend }) => waitingToSend))),
      gauge(GatewayMetrics.bufferedPayloads, () => sum(all((gateway) => gateway.buffer().payloads))),
      gauge(GatewayMetrics.bufferFillRatio, () => Math.max(0, ...all((gateway) => gateway.buffer().fill))),
      gauge(GatewayMetrics.oldestUnacknowledged, () => Math.max(0, ...all((gateway) => gateway.unacknowledged()))),
      gauge(GatewayMetrics.recommendedShards, () =>
        Math.max(...all((gateway) => gateway.recommended()).map((shards) => shards ?? NaN))
      ),
      gauge(GatewayMetrics.identifyBudgetRemaining, () => left(({ remaining }) => remaining)),
      gauge(GatewayMetrics.identifyBudgetTotal, () => left(({ total }) => total))
    ]
  }
}
