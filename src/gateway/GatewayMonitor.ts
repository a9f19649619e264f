/**
 * Monitor of a gateway: a snapshot of it every second, for dashboards and terminals.
 *
 * It uses the gateway's public interface only. It does not subscribe to the payloads, since a subscriber holds them up: rates
 * are those at which the shards' sequences grow.
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type {
  ConnectionChange,
  GatewaySnapshot,
  GatewayMoment,
  IdentifyBacklog,
  RelaySnapshot,
  ShardSnapshot
} from "../schema/GatewaySnapshot.ts"
import { describeShardEvent, levelOfShardEvent, type ShardEvent } from "../schema/ShardEvent.ts"
import type { ShardStatus } from "../schema/ShardStatus.ts"
import { Gateway } from "./Gateway.ts"

/**
 * Snapshots of a gateway, with its recent history.
 *
 * @since 0.1.0
 * @category services
 */
export class GatewayMonitor extends Context.Service<
  GatewayMonitor,
  {
    /** The last snapshot, at most a second old. */
    readonly snapshot: Effect.Effect<GatewaySnapshot>
    /** The last snapshot, and then one every second. A slow reader misses some. */
    readonly snapshots: Stream.Stream<GatewaySnapshot>
  }
>()("disruption-gateway/gateway/GatewayMonitor") {
  /** Watches the gateway for as long as the layer lives. */
  static readonly layer: Layer.Layer<GatewayMonitor, never, Gateway> = Layer.effect(
    GatewayMonitor,
    Effect.suspend(() => Effect.flatMap(Gateway, make))
  )

  /** Watches anything that has a gateway's status and events, such as the shards of a cluster. */
  static readonly layerOf = <R>(
    watched: Effect.Effect<MonitoredGateway, never, R>
  ): Layer.Layer<GatewayMonitor, never, R> =>
    Layer.effect(
      GatewayMonitor,
      Effect.suspend(() => Effect.flatMap(watched, make))
    )
}

/**
 * The part of a gateway that a monitor watches.
 *
 * @since 0.1.0
 * @category models
 */
export interface MonitoredGateway extends Pick<Gateway["Service"], "changes" | "identifyBudget" | "info" | "shards"> {
  /** State of the relay that passes the gateway on, where there is one. */
  readonly relay?: Effect.Effect<RelaySnapshot> | undefined
}

const every = Duration.seconds(1)
const momentsKept = 300
const changesKept = 200

const make = Effect.fnUntraced(function* (
  gateway: MonitoredGateway
): Effect.fn.Return<GatewayMonitor["Service"], never, Scope.Scope> {
  const since = yield* DateTime.now
  const changes = new ChangeLog()
  const sequences = new Sequences(since)
  const history: Array<GatewayMoment> = []
  let maxConcurrency = 1

  const take = Effect.gen(function* () {
    const at = yield* DateTime.now
    const statuses = yield* gateway.shards
    const rates = sequences.ratesOf(statuses, at)
    const shards = statuses.map((status, index) => snapshotOf(status, rates[index] ?? 0))
    const moment: GatewayMoment = {
      at,
      rate: shards.reduce((sum, { rate }) => sum + rate, 0),
      latency: median(shards.flatMap(({ latency }) => Option.toArray(latency))),
      ready: shards.filter(({ state }) => state === "ready").length
    }
    history.push(moment)
    if (history.length > momentsKept) history.shift()
    return {
      ...moment,
      since,
      shards,
      history: [...history],
      changes: changes.recent(),
      budget: yield* gateway.identifyBudget,
      queue: queueOf(shards, maxConcurrency),
      relay: gateway.relay === undefined ? Option.none() : Option.some(yield* gateway.relay)
    } satisfies GatewaySnapshot
  })

  // Renews the budget, too. The log of the gateway tells already when Discord does not answer.
  const refresh = Effect.gen(function* () {
    const info = yield* gateway.info
    if (Option.isSome(info)) maxConcurrency = info.value.session_start_limit.max_concurrency
  }).pipe(Effect.ignore)

  yield* Effect.forkScoped(Stream.runForEach(gateway.changes, (event) => Effect.sync(() => changes.add(event))))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(refresh, Effect.sleep("1 minute"))))
  // The fiber above takes in the changes so far.
  yield* Effect.yieldNow
  let last: GatewaySnapshot = yield* take
  const published = yield* PubSub.sliding<GatewaySnapshot>({ capacity: 1, replay: 1 })
  yield* PubSub.publish(published, last)
  yield* Effect.sleep(every).pipe(
    Effect.andThen(take),
    Effect.flatMap((next) => {
      last = next
      return PubSub.publish(published, next)
    }),
    Effect.forever,
    Effect.forkScoped
  )
  return GatewayMonitor.of({ snapshot: Effect.sync(() => last), snapshots: Stream.fromPubSub(published) })
})

const snapshotOf = (status: ShardStatus, rate: number): ShardSnapshot => ({
  id: status.shard.id,
  state: status.state,
  since: status.since,
  latency: status.latency,
  rate,
  reconnects: status.reconnects,
  waitingToSend: status.waitingToSend,
  lastReason: Option.map(status.lastReason, ({ message }) => message)
})

const median = (times: ReadonlyArray<Duration.Duration>): Option.Option<Duration.Duration> => {
  // Numbers sort many times faster than durations, and there may be thousands.
  const sorted = times.map(Duration.toMillis).toSorted((a, b) => a - b)
  return Option.map(Option.fromUndefinedOr(sorted[Math.floor(sorted.length / 2)]), Duration.millis)
}

/** One shard of each bucket identifies every five seconds. */
const queueOf = (shards: ReadonlyArray<ShardSnapshot>, maxConcurrency: number): IdentifyBacklog => {
  const buckets = new Map<number, number>()
  let waiting = 0
  for (const { id, state } of shards) {
    if (state !== "queued") continue
    waiting++
    buckets.set(id % maxConcurrency, (buckets.get(id % maxConcurrency) ?? 0) + 1)
  }
  return { waiting, time: Duration.times(Duration.seconds(5), Math.max(0, ...buckets.values())) }
}

/** Log of the latest changes. */
class ChangeLog {
  private kept: ReadonlyArray<ConnectionChange> = []
  private number = 0

  add(event: ShardEvent): void {
    const level = levelOfShardEvent(event)
    if (level === "Debug") return
    this.number++
    const change = { number: this.number, at: event.at, shard: event.shard, level, text: sentenceOf(event) }
    this.kept = [...this.kept.slice(1 - changesKept), change]
  }

  recent(): ReadonlyArray<ConnectionChange> {
    return this.kept
  }
}

/** The event as a sentence that may be shown to anybody. */
const sentenceOf = (event: ShardEvent): string => {
  const sentence = describeShardEvent(event)
  return "sessionId" in event ? sentence.replace(event.sessionId, `${event.sessionId.slice(0, 4)}…`) : sentence
}

/** Rates at which the shards' sequences grow. */
class Sequences {
  private before = new Map<number, { readonly session: string; readonly sequence: number }>()
  private at: DateTime.Utc

  constructor(at: DateTime.Utc) {
    this.at = at
  }

  /** Dispatches a second of each shard since the last call. */
  ratesOf(statuses: ReadonlyArray<ShardStatus>, at: DateTime.Utc): ReadonlyArray<number> {
    const seconds = Duration.toSeconds(DateTime.distance(this.at, at))
    const next = new Map<number, { readonly session: string; readonly sequence: number }>()
    const rates = statuses.map(({ sequence, sessionId, shard }) => {
      if (Option.isNone(sequence) || Option.isNone(sessionId)) return 0
      const before = this.before.get(shard.id)
      const now = { session: sessionId.value, sequence: sequence.value }
      next.set(shard.id, now)
      // No rate at the first sight of a session: it may have been going on for long.
      if (before === undefined || seconds <= 0) return 0
      const grown = before.session === now.session ? now.sequence - before.sequence : now.sequence
      return Math.max(0, grown) / seconds
    })
    this.before = next
    this.at = at
    return rates
  }
}
