/**
 * The relay: keeps the connection and writes what Discord sends to the broker, for consumers that start, stop and crash as they like.
 *
 * A dispatch is handled when the broker has it. A relay that was killed resumes its session and publishes again what the broker may
 * not have; the broker leaves out what it has. Where the broker is away or full, the relay waits, and the socket with it.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import { Gateway } from "../gateway/Gateway.ts"
import type { GatewayError } from "../schema/GatewayError.ts"
import * as Identities from "../schema/Identity.ts"
import * as MonotonicTime from "../services/MonotonicTime.ts"
import * as CallAnswers from "./CallAnswers.ts"
import { HeldGateways } from "./HeldGateways.ts"
import { type BrokerStatus, RelayBroker, type RelayBrokerError, unansweredWait } from "./RelayBroker.ts"
import * as RelayCalls from "./RelayCall.ts"
import * as RelayMetrics from "./RelayMetrics.ts"
import * as RelayRecord from "./RelayRecord.ts"

/**
 * State of a relay.
 *
 * @since 0.1.0
 * @category models
 */
export interface RelayStatus {
  /** Name of the broker. */
  readonly name: string
  /** Count of dispatches that it has written to the broker. */
  readonly published: number
  /** Count of dispatches that the broker had already. */
  readonly repeated: number
  /** Why it writes nothing at the moment, in words; none while it writes. */
  readonly held: Option.Option<string>
  /** State of the broker; none where it did not answer the last time. */
  readonly broker: Option.Option<BrokerStatus>
}

/** Interval at which a relay tells of itself. */
const tellEvery = Duration.seconds(1)

/** Time after which the state of a relay that is gone is removed, and how often that is looked for. */
const forgottenAfter = Duration.minutes(10)

/** Interval of the tries to write to a broker that is full. */
const fullWait = Duration.millis(200)

/**
 * The relay of a process: of one gateway, or of several, as the shards of a cluster have one each.
 *
 * @since 0.1.0
 * @category services
 */
export class GatewayRelay extends Context.Service<
  GatewayRelay,
  {
    /** State of the relay, as of the last second. */
    readonly status: Effect.Effect<RelayStatus>
    /** Waits for the end of `layer`'s gateway, and fails as it did. */
    readonly end: Effect.Effect<never, GatewayError>
    /** Relays this gateway, too, until it ends. */
    readonly relay: Effect.Effect<never, GatewayError, Gateway>
  }
>()("disruption-gateway/relay/GatewayRelay") {
  /**
   * Relays a gateway until the scope closes. Its sessions have to be in a durable store for a restart to cost no IDENTIFY.
   *
   * ```ts
   * GatewayRelay.layer.pipe(
   *   Layer.provide(NodeGateway.layerWithSessionFile("sessions.json")),
   *   Layer.provide(RedisBroker.layer({ name: "my-bot" })),
   *   Layer.provide(NodeRedis.layer({ url: "redis://127.0.0.1:6379" }))
   * )
   * ```
   */
  static readonly layer: Layer.Layer<GatewayRelay, never, Gateway | RelayBroker> = Layer.effect(
    GatewayRelay,
    Effect.gen(function* () {
      const ended = yield* Deferred.make<never, GatewayError>()
      const all = yield* make
      yield* all.relay.pipe(
        Effect.onError((cause) => Deferred.failCause(ended, cause)),
        Effect.forkScoped
      )
      return GatewayRelay.of({ ...all, end: Deferred.await(ended) })
    })
  )

  /**
   * Relays the gateways that run `GatewayRelay.relay`: the shards of a cluster on this machine. They share what a relay has beside what it
   * writes: it tells of itself once a second, however many they are, and reads the calls of consumers once.
   *
   * ```ts
   * GatewayCluster.run(GatewayRelay.relay).pipe(Effect.provide(GatewayRelay.layerShared))
   * ```
   */
  static readonly layerShared: Layer.Layer<GatewayRelay, never, RelayBroker> = Layer.effect(
    GatewayRelay,
    Effect.suspend(() => make)
  )

  /** Relays a gateway until it ends, as one of those of `layerShared`. */
  static readonly relay: Effect.Effect<never, GatewayError, Gateway | GatewayRelay> = Effect.suspend(() =>
    GatewayRelay.use(({ relay }) => relay)
  )

  /** Relays a gateway until it ends. */
  static readonly run: Effect.Effect<never, GatewayError, Gateway | RelayBroker> = Effect.suspend(() =>
    GatewayRelay.use(({ end }) => end).pipe(Effect.provide(GatewayRelay.layer))
  )
}

const make = Effect.gen(function* () {
  const broker = yield* RelayBroker
  const name = (yield* Random.nextIntBetween(0, 2 ** 48)).toString(36)
  const gateways = new Set<Gateway["Service"]>()
  const metrics = yield* makeMetrics(broker.name)
  const held = new HeldGateways()
  const calls = yield* CallAnswers.make(broker, gateways)
  let published = 0
  let repeated = 0
  let brokerStatus: BrokerStatus | undefined

  const publish = (gateway: Gateway["Service"], records: ReadonlyArray<RelayRecord.RelayRecord>): Effect.Effect<void> =>
    Effect.flatMap(MonotonicTime.now, (since) => {
      const attempt: Effect.Effect<void, RelayBrokerError> = Effect.flatMap(broker.publish(records), (answer) => {
        if (answer._tag === "Full") {
          return Effect.andThen(
            held.hold(
              gateway,
              "full",
              `The broker holds ${answer.depth} dispatches, as many as it may: reading from Discord pauses`
            ),
            Effect.andThen(Effect.sleep(fullWait), attempt)
          )
        }
        published += answer.added
        repeated += answer.repeated
        metrics.onPublished(answer)
        return held.letGo(gateway, since)
      })
      return attempt.pipe(
        Effect.tapError((error) =>
          held.hold(gateway, "away", `${error.message}: nothing is lost, reading from Discord pauses`)
        ),
        Effect.retry(unansweredWait),
        // The schedule has no end.
        Effect.orDie
      )
    })

  const tellChanges = (gateway: Gateway["Service"]) =>
    Stream.runForEach(gateway.changes, (change) =>
      Effect.ignore(
        Effect.flatMap(RelayCalls.texts.change.encode(change), (text) => broker.post(RelayCalls.channels.changes, text))
      )
    )

  const relay = Effect.gen(function* () {
    const gateway = yield* Gateway
    yield* Effect.acquireRelease(
      Effect.sync(() => gateways.add(gateway)),
      () =>
        Effect.sync(() => {
          gateways.delete(gateway)
          held.remove(gateway)
        })
    )
    yield* Effect.forkScoped(tellChanges(gateway))
    yield* Effect.forkScoped(calls.catchUp(gateway))
    return yield* gateway.forward((batch) =>
      publish(
        gateway,
        batch.map((forwarded) => RelayRecord.recordOf(forwarded, broker.partitions))
      )
    )
  }).pipe(Effect.scoped, Effect.annotateLogs({ relay: broker.name }))

  // The rest is for consumers to look at and to ask: where the broker does not answer it is done again.
  const look = Effect.gen(function* () {
    const text = yield* RelayCalls.texts.state.encode(yield* stateOf(gateways))
    yield* broker.put(RelayCalls.stateOf(name), text)
    brokerStatus = yield* broker.status
  })
  const observe = Effect.suspend(() => metrics.observe(held.why !== undefined, brokerStatus))
  yield* Effect.addFinalizer(() =>
    Effect.ignore(Effect.timeoutOption(broker.remove(RelayCalls.stateOf(name)), "1 second"))
  )
  yield* look.pipe(
    Effect.tapError(() => Effect.sync(() => (brokerStatus = undefined))),
    Effect.ignore,
    Effect.andThen(observe),
    Effect.andThen(Effect.sleep(tellEvery)),
    Effect.forever,
    Effect.forkScoped
  )
  yield* forgetGone(broker).pipe(
    Effect.ignore,
    Effect.andThen(Effect.sleep(forgottenAfter)),
    Effect.forever,
    Effect.forkScoped
  )
  yield* Effect.forkScoped(calls.answer)

  return GatewayRelay.of({
    status: Effect.sync(() => ({
      name: broker.name,
      published,
      repeated,
      held: Option.fromUndefinedOr(held.why),
      broker: Option.fromUndefinedOr(brokerStatus)
    })),
    end: Effect.never,
    relay
  })
}).pipe((making) => RelayBroker.use(({ name }) => Effect.annotateLogs(making, { relay: name })))

/** State of a relay with these gateways. */
const stateOf = Effect.fnUntraced(function* (gateways: Iterable<Gateway["Service"]>) {
  const of = yield* Effect.forEach(
    gateways,
    Effect.fnUntraced(function* (gateway) {
      const shards = yield* gateway.shards
      const sessions = yield* Effect.forEach(shards, ({ shard }) => gateway.session(shard.id))
      return {
        shards,
        sessions: sessions.flatMap(Option.toArray),
        identity: yield* gateway.identity,
        budget: yield* gateway.identifyBudget,
        info: yield* Effect.orElseSucceed(gateway.info, Option.none)
      }
    })
  )
  return {
    version: 1,
    at: yield* Clock.currentTimeMillis,
    shards: of.flatMap(({ shards }) => shards),
    sessions: of.flatMap(({ sessions }) => sessions),
    identity: Identities.ofShards(of.flatMap(({ identity }) => Option.toArray(identity))),
    budget: Option.firstSomeOf(of.map(({ budget }) => budget)),
    info: Option.firstSomeOf(of.map(({ info }) => info))
  } satisfies RelayCalls.RelayState
})

/** Removes what relays have told of themselves that were killed long ago. */
const forgetGone = Effect.fnUntraced(function* (broker: RelayBroker["Service"]) {
  const before = (yield* Clock.currentTimeMillis) - Duration.toMillis(forgottenAfter)
  for (const [name, text] of yield* broker.texts) {
    if (!RelayCalls.isState(name)) continue
    // One that cannot be read is of a later release.
    const state = yield* Effect.option(RelayCalls.texts.state.decode(text))
    if (Option.isSome(state) && state.value.at < before) yield* broker.remove(name)
  }
})

/** Feeds the metrics of a relay. */
const makeMetrics = (relay: string) =>
  Effect.contextWith((context: Context.Context<never>) => {
    const named = Metric.withAttributes({ relay })
    const published = named(RelayMetrics.published)
    const repeated = named(RelayMetrics.repeated)
    const gauges = {
      held: named(RelayMetrics.held),
      depth: named(RelayMetrics.depth),
      age: named(RelayMetrics.age),
      deadLetters: named(RelayMetrics.deadLetters),
      consumers: named(RelayMetrics.consumers)
    }
    return Effect.succeed({
      onPublished: (answer: { readonly added: number; readonly repeated: number }) => {
        published.updateUnsafe(answer.added, context)
        if (answer.repeated > 0) repeated.updateUnsafe(answer.repeated, context)
      },
      observe: (isHeld: boolean, status: BrokerStatus | undefined) =>
        Effect.sync(() => {
          gauges.held.updateUnsafe(isHeld ? 1 : 0, context)
          if (status === undefined) return
          gauges.depth.updateUnsafe(status.depth, context)
          gauges.age.updateUnsafe(status.age / 1000, context)
          gauges.deadLetters.updateUnsafe(status.deadLetters, context)
          gauges.consumers.updateUnsafe(status.consumers, context)
        })
    })
  })
