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
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { Forwarded } from "../gateway/Forwarding.ts"
import { Gateway } from "../gateway/Gateway.ts"
import type { MembersRequest } from "../gateway/MemberRequests.ts"
import { durationText } from "../schema/DurationText.ts"
import type { GatewayError } from "../schema/GatewayError.ts"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import { route, SendEvent } from "../schema/SendEvent.ts"
import * as MonotonicTime from "../services/MonotonicTime.ts"
import { type BrokerStatus, RelayBroker, type RelayBrokerError } from "./RelayBroker.ts"
import * as RelayCalls from "./RelayCall.ts"
import type { RelayAnswer, RelayCall } from "./RelayCall.ts"
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

/** Interval of the tries to write to a broker that is full. */
const fullWait = Duration.millis(200)

/** The wait between tries while the broker does not answer. */
const unansweredWait = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")])

/**
 * The relay.
 *
 * @since 0.1.0
 * @category services
 */
export class GatewayRelay extends Context.Service<
  GatewayRelay,
  {
    /** State of the relay, as of the last second. */
    readonly status: Effect.Effect<RelayStatus>
    /** Waits for the gateway's end, and fails as it did. */
    readonly end: Effect.Effect<never, GatewayError>
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
    RelayBroker.use(({ name }) => Effect.annotateLogs(make, { relay: name }))
  )

  /** Relays a gateway until it ends. */
  static readonly run: Effect.Effect<never, GatewayError, Gateway | RelayBroker> = Effect.suspend(() =>
    GatewayRelay.use(({ end }) => end).pipe(Effect.provide(GatewayRelay.layer))
  )
}

const make = Effect.gen(function* () {
  const gateway = yield* Gateway
  const broker = yield* RelayBroker
  const name = (yield* Random.nextIntBetween(0, 2 ** 48)).toString(36)
  const ended = yield* Deferred.make<never, GatewayError>()
  const metrics = yield* makeMetrics(broker.name)
  let published = 0
  let repeated = 0
  let held: string | undefined
  let brokerStatus: BrokerStatus | undefined

  /** Tells once why nothing is written, and when it is again. */
  const hold = (why: string) =>
    Effect.suspend(() => {
      if (held === why) return Effect.void
      held = why
      return Effect.logWarning(why)
    })
  const letGo = (since: number) =>
    Effect.suspend(() => {
      if (held === undefined) return Effect.void
      held = undefined
      return Effect.flatMap(MonotonicTime.now, (now) =>
        Effect.logInfo(`Writing to the broker again after ${durationText(Duration.millis(now - since))}`)
      )
    })

  const publish = (records: ReadonlyArray<RelayRecord.RelayRecord>): Effect.Effect<void> =>
    Effect.flatMap(MonotonicTime.now, (since) => {
      const attempt: Effect.Effect<void, RelayBrokerError> = Effect.flatMap(broker.publish(records), (answer) => {
        if (answer._tag === "Full") {
          return Effect.andThen(
            hold(`The broker holds ${answer.depth} dispatches, as many as it may: reading from Discord pauses`),
            Effect.andThen(Effect.sleep(fullWait), attempt)
          )
        }
        published += answer.added
        repeated += answer.repeated
        metrics.onPublished(answer)
        return held === undefined ? Effect.void : letGo(since)
      })
      return attempt.pipe(
        Effect.tapError((error) => hold(`${error.message}: nothing is lost, reading from Discord pauses`)),
        Effect.retry(unansweredWait),
        // The schedule has no end.
        Effect.orDie
      )
    })

  const write = (batch: ReadonlyArray<Forwarded>) =>
    publish(batch.map((forwarded) => RelayRecord.recordOf(forwarded, broker.partitions)))

  yield* gateway.forward(write).pipe(
    Effect.onError((cause) => Deferred.failCause(ended, cause)),
    Effect.forkScoped
  )

  // The rest is for consumers to look at and to ask: where the broker does not answer it is done again.
  const state = Effect.gen(function* () {
    const shards = yield* gateway.shards
    const sessions = yield* Effect.forEach(shards, ({ shard }) => gateway.session(shard.id))
    const text = yield* RelayCalls.texts.state.encode({
      version: 1,
      at: yield* Clock.currentTimeMillis,
      shards,
      sessions: sessions.flatMap(Option.toArray),
      identity: yield* gateway.identity,
      budget: yield* gateway.identifyBudget,
      info: yield* Effect.orElseSucceed(gateway.info, Option.none)
    })
    yield* broker.put(RelayCalls.stateOf(name), text)
    brokerStatus = yield* broker.status
  })
  const observe = Effect.suspend(() => metrics.observe(held !== undefined, brokerStatus))
  yield* Effect.addFinalizer(() =>
    Effect.ignore(Effect.timeoutOption(broker.remove(RelayCalls.stateOf(name)), "1 second"))
  )
  yield* state.pipe(
    Effect.tapError(() => Effect.sync(() => (brokerStatus = undefined))),
    Effect.ignore,
    Effect.andThen(observe),
    Effect.andThen(Effect.sleep(tellEvery)),
    Effect.forever,
    Effect.forkScoped
  )
  yield* gateway.changes.pipe(
    Stream.runForEach((change) =>
      Effect.ignore(
        Effect.flatMap(RelayCalls.texts.change.encode(change), (text) => broker.post(RelayCalls.channels.changes, text))
      )
    ),
    Effect.forkScoped
  )
  yield* answerCalls(gateway, broker)

  return GatewayRelay.of({
    status: Effect.sync(() => ({
      name: broker.name,
      published,
      repeated,
      held: Option.fromUndefinedOr(held),
      broker: Option.fromUndefinedOr(brokerStatus)
    })),
    end: Deferred.await(ended)
  })
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

/** Makes the calls of consumers, in their order. */
const answerCalls = Effect.fnUntraced(function* (gateway: Gateway["Service"], broker: RelayBroker["Service"]) {
  const fork = yield* FiberSet.makeRuntime<never, void, never>()

  const answer = (call: RelayCall, what: RelayAnswer["what"]) =>
    RelayCalls.texts.answer.encode({ to: call.id, what }).pipe(
      Effect.flatMap((text) => broker.post(RelayCalls.channels.answersTo(call.from), text)),
      Effect.retry({ times: 5, schedule: unansweredWait }),
      Effect.ignore
    )

  const done = (call: RelayCall, effect: Effect.Effect<void, GatewayError>) =>
    Effect.matchEffect(effect, {
      onSuccess: () => answer(call, { _tag: "Done" }),
      onFailure: (error) => answer(call, { _tag: "Failed", error })
    })

  const perform = (call: RelayCall): Effect.Effect<void> => {
    const { what } = call
    switch (what._tag) {
      case "Send":
        return eventOf(what).pipe(
          Effect.flatMap((event) =>
            done(
              call,
              Effect.flatMap(Clock.currentTimeMillis, (now) =>
                gateway.send(event, { shard: what.shard, timeout: Duration.millis(Math.max(1, call.until - now)) })
              )
            )
          ),
          Effect.ignore
        )
      case "RequestMembers":
        return done(
          call,
          Effect.suspend(() => {
            const request: MembersRequest = JSON.parse(what.request)
            return Stream.runForEach(
              gateway.requestGuildMembers(request, { timeout: Duration.millis(what.timeout) }),
              (chunk) => answer(call, { _tag: "Members", chunk: JSON.stringify(chunk) })
            )
          })
        )
      case "Restart":
        return done(call, gateway.restart(what.shard))
      case "Reshard":
        return done(call, gateway.reshard(what.total))
    }
  }

  yield* broker.follow(RelayCalls.channels.calls, { fromStart: true }).pipe(
    Stream.runForEach(({ position, text }) =>
      Effect.gen(function* () {
        const call = yield* RelayCalls.texts.call.decode(text)
        if (call.until <= (yield* Clock.currentTimeMillis)) return
        const { isFor, isForAll } = yield* addressOf(call, gateway)
        if (!isFor || (!isForAll && !(yield* broker.claim(RelayCalls.channels.calls, position)))) return
        fork(perform(call))
      }).pipe(Effect.catch((error) => Effect.logWarning("A call of a consumer is left out", error)))
    ),
    Effect.retry(unansweredWait),
    Effect.forkScoped
  )
})

const eventOf = ({ frame, raw }: { readonly frame: string; readonly raw: boolean }) =>
  Effect.map(RelayCalls.decodeFrame(frame), (event) => (raw ? SendEvent.raw(event.op, event.d) : event))

/**
 * Whether a call is for this relay, of which there may be several with other shards, and whether it is for all of them. One with
 * all shards also answers for shards that there are not.
 */
const addressOf = (call: RelayCall, gateway: Gateway["Service"]) =>
  Effect.gen(function* () {
    const shards = (yield* gateway.shards).map(({ shard }) => shard)
    const [first] = shards
    if (first === undefined) return { isFor: false, isForAll: false }
    const own = new Set(shards.map(({ id }) => id))
    const { what } = call
    if (own.size >= first.total || what._tag === "Reshard") return { isFor: true, isForAll: false }
    if (what._tag === "Restart") return { isFor: own.has(what.shard), isForAll: false }
    const event =
      what._tag === "Send"
        ? yield* eventOf(what)
        : SendEvent.raw(GatewayOpcode.RequestGuildMembers, JSON.parse(what.request))
    const routes = route(event, what._tag === "Send" ? what.shard : undefined, { ids: [...own], total: first.total })
    return {
      isFor: routes.some(([id]) => own.has(id)),
      isForAll: event.op === GatewayOpcode.PresenceUpdate && (what._tag !== "Send" || what.shard === undefined)
    }
  })
