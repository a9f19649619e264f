/**
 * `Gateway` behind a relay: the same service, from the broker.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Deliveries from "../gateway/Deliveries.ts"
import * as Forwarding from "../gateway/Forwarding.ts"
import { Gateway } from "../gateway/Gateway.ts"
import * as Handlers from "../gateway/Handlers.ts"
import type { DeadLetter } from "../gateway/Handlers.ts"
import type { MembersChunk } from "../gateway/MemberRequests.ts"
import * as ShardEvents from "../gateway/ShardEvents.ts"
import { InvalidConfig } from "../schema/FatalError.ts"
import { GatewayError, type GatewayErrorReason } from "../schema/GatewayError.ts"
import * as Identities from "../schema/Identity.ts"
import { type DispatchName, type DispatchOf, isDispatchOf } from "../schema/Payload.ts"
import { SendTimeout, ShardUnreachable } from "../schema/SendError.ts"
import { encodeSendEvent } from "../schema/SendEvent.ts"
import { ShardEvent } from "../schema/ShardEvent.ts"
import type { ShardStatus } from "../schema/ShardStatus.ts"
import { textOfPayload } from "../schema/UnparsedPayload.ts"
import { RelayBroker, type RelayBrokerError, unansweredWait } from "./RelayBroker.ts"
import * as RelayCalls from "./RelayCall.ts"
import type { RelayAnswer, RelayCall, RelayState } from "./RelayCall.ts"
import * as RelayConsumer from "./RelayConsumer.ts"

/**
 * Options of a consumer.
 *
 * @since 0.1.0
 * @category models
 */
export interface RelayGatewayOptions {
  /** Name of the process, for people. Each start of it has a number of its own besides. Default: `consumer`. */
  readonly consumer?: string | undefined
  /**
   * Time after which others take what this process held when nothing is heard of it. It has to be longer than any pause of the process.
   * Default: 10 seconds.
   */
  readonly lease?: Duration.Input | undefined
  /** Whether reading begins at once, or when `Gateway.connect` is run. Default: `"auto"`. */
  readonly connect?: "auto" | "manual" | undefined
  /** Payloads that are read from the broker ahead of the handlers. Default: 1,024. */
  readonly buffer?: number | undefined
  /** The same in bytes of text. Default: 16 MiB. */
  readonly bufferBytes?: number | undefined
  /** Time limit of `send`, where it is given none, and of other calls. Default: 30 seconds. */
  readonly answerWithin?: Duration.Input | undefined
}

/**
 * The gateway from the broker. Programs are the same as on a gateway of their own, in as many processes as there are: each guild's
 * dispatches go to one of them, in order. See docs/relay.md for what differs.
 *
 * ```ts
 * program.pipe(
 *   Effect.provide(RelayGateway.layer()),
 *   Effect.provide(RedisBroker.layer({ name: "my-bot" })),
 *   Effect.provide(NodeRedis.layer({ url: "redis://127.0.0.1:6379" }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: RelayGatewayOptions = {}): Layer.Layer<Gateway, RelayBrokerError, RelayBroker> =>
  Layer.effect(Gateway, make(options))

/**
 * Keeps a dead letter in the broker, with its cause: for `onFailure` of handlers.
 *
 * ```ts
 * gateway.handle(handlers, { onFailure: { retry, deadLetter: RelayGateway.deadLetter } })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const deadLetter = <E>({
  attempts,
  cause,
  payload
}: DeadLetter<E>): Effect.Effect<void, RelayBrokerError, RelayBroker> =>
  RelayBroker.use(({ setAside }) =>
    setAside({
      id: `:${payload.shard}:${payload.s}`,
      name: payload.t ?? "",
      text: textOfPayload(payload),
      cause: Cause.pretty(cause),
      attempts
    })
  )

/** Time without news of a relay after which its shards are said to wait. */
const silentAfter = Duration.seconds(5)

/** Interval of the look at what relays tell. */
const lookEvery = Duration.seconds(1)

const failWith = (reason: GatewayErrorReason) => Effect.fail(new GatewayError({ reason }))

const make = Effect.fnUntraced(function* (options: RelayGatewayOptions) {
  const broker = yield* RelayBroker
  const number = (yield* Random.nextIntBetween(0, 2 ** 48)).toString(36)
  const name = `${options.consumer ?? "consumer"}-${number}`
  const answerWithin = Duration.fromInputUnsafe(options.answerWithin ?? "30 seconds")
  const events = yield* ShardEvents.make(() => undefined)
  const consumer = yield* RelayConsumer.make(broker, {
    name,
    beginsAtOnce: options.connect !== "manual",
    lease: Duration.fromInputUnsafe(options.lease ?? "10 seconds"),
    capacity: options.buffer ?? 1024,
    capacityBytes: options.bufferBytes ?? 16 * 1024 * 1024,
    onAbandoned: (payloads) => events.announce((at) => ShardEvent.DeliveriesAbandoned({ shard: 0, at, payloads }))
  })
  const { log } = consumer
  yield* Deliveries.watchOverdue(log, events)
  const relayed = yield* relayedChanges(broker)
  const states = yield* relayStates(broker)
  const calls = yield* makeCalls(broker, name)

  /** Makes a call, and waits for what became of it. */
  const call = (what: RelayCall["what"], timeout: Duration.Duration): Effect.Effect<void, GatewayError> =>
    calls.ask(what, timeout).pipe(
      Stream.runDrain,
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () => failWith(new SendTimeout({ after: timeout, what: "answered" }))
      })
    )

  const requestGuildMembers: Gateway["Service"]["requestGuildMembers"] = (request, { timeout } = {}) => {
    const time = Duration.fromInputUnsafe(timeout ?? "30 seconds")
    return calls
      .ask({ _tag: "RequestMembers", request: JSON.stringify(request), timeout: Duration.toMillis(time) }, time)
      .pipe(
        Stream.timeoutOrElse({
          duration: Duration.sum(time, Duration.seconds(5)),
          orElse: () => Stream.fail(new GatewayError({ reason: new SendTimeout({ after: time, what: "answered" }) }))
        }),
        Stream.filter((what) => what._tag === "Members"),
        Stream.map(({ chunk }): MembersChunk => JSON.parse(chunk))
      )
  }

  const handlers = { log, flush: () => consumer.flush }
  return Gateway.of({
    connect: consumer.begin,
    handle: (byName, options) =>
      Handlers.run(handlers, Handlers.wantedBy(byName), Handlers.dispatcher(byName), options, byName),
    runForEach: (handler, options) => Handlers.run(handlers, undefined, handler, options),
    deliveries: Deliveries.acknowledged(log),
    forward: <A, E, R>(write: (batch: Arr.NonEmptyReadonlyArray<Forwarding.Forwarded>) => Effect.Effect<A, E, R>) =>
      Forwarding.run(log, write),
    payloads: Deliveries.payloads(log),
    on: <Name extends DispatchName>(...names: ReadonlyArray<Name>) => {
      const wanted = new Set<string>(names)
      return Deliveries.dispatches(log, wanted, (payload): payload is DispatchOf<Name> => isDispatchOf(payload, wanted))
    },
    send: Effect.fnUntraced(function* (event, { shard, timeout } = {}) {
      const frame = encodeSendEvent(event)
      if (frame._tag === "Failure") return yield* failWith(frame.failure)
      const what = { _tag: "Send", frame: frame.success, raw: "raw" in event } as const
      return yield* call(
        shard === undefined ? what : { ...what, shard },
        timeout === undefined ? answerWithin : Duration.fromInputUnsafe(timeout)
      )
    }),
    requestGuildMembers,
    joinVoiceChannel: () =>
      failWith(
        new InvalidConfig({
          option: "joinVoiceChannel",
          description:
            "is not there behind a relay: the answers go to whichever consumer has the guild. Send " +
            "SendEvent.updateVoiceState and handle VOICE_STATE_UPDATE and VOICE_SERVER_UPDATE"
        })
      ),
    identity: Effect.sync(() => Identities.ofShards(states().flatMap(({ identity }) => Option.toArray(identity)))),
    shards: Effect.sync(() =>
      states()
        .flatMap(({ shards }) => shards)
        .toSorted((one, other) => one.shard.id - other.shard.id)
    ),
    changes: Stream.merge(events.changes, relayed),
    session: (id) =>
      Effect.sync(() =>
        Option.fromUndefinedOr(
          states()
            .flatMap(({ sessions }) => sessions)
            .find(({ shard }) => shard.id === (id ?? 0))
        )
      ),
    info: Effect.sync(() => Option.firstSomeOf(states().map(({ info }) => info))),
    identifyBudget: Effect.sync(() => Option.firstSomeOf(states().map(({ budget }) => budget))),
    restart: (shard) => call({ _tag: "Restart", shard }, answerWithin),
    reshard: (total) => call({ _tag: "Reshard", total }, Duration.hours(1))
  })
})

/** The changes that relays tell of, beginning with the last 128. */
const relayedChanges = Effect.fnUntraced(function* (broker: RelayBroker["Service"]) {
  const feed = yield* PubSub.sliding<ShardEvent>({ capacity: 4096, replay: 128 })
  yield* broker.follow(RelayCalls.channels.changes, { fromStart: true }).pipe(
    Stream.runForEach(({ text }) =>
      // One of a newer release that this one does not know is left out.
      Effect.ignore(Effect.flatMap(RelayCalls.texts.change.decode(text), (change) => PubSub.publish(feed, change)))
    ),
    Effect.retry(unansweredWait),
    Effect.forkScoped
  )
  return Stream.fromPubSub(feed)
})

/** Status of a shard whose relay is silent. */
const waiting = (status: ShardStatus): ShardStatus => ({ ...status, state: "waiting" })

/** States of the relays, as of the last second. A relay that is silent has shards that wait. */
const relayStates = Effect.fnUntraced(function* (broker: RelayBroker["Service"]) {
  let states: ReadonlyArray<RelayState> = []
  const look = Effect.gen(function* () {
    const texts = yield* broker.texts
    const now = yield* Clock.currentTimeMillis
    const read = yield* Effect.forEach(
      [...texts].filter(([name]) => RelayCalls.isState(name)),
      ([, text]) => Effect.option(RelayCalls.texts.state.decode(text))
    )
    const all = read.flatMap(Option.toArray).toSorted((one, other) => other.at - one.at)
    // A relay that took over from one that was killed has its shards.
    const shown = new Set<number>()
    states = all.map(({ at, budget, identity, info, sessions, shards, version }) => {
      const own = shards.filter(({ shard }) => !shown.has(shard.id))
      const ownSessions = sessions.filter(({ shard }) => !shown.has(shard.id))
      for (const { shard } of own) shown.add(shard.id)
      const isSilent = now - at > Duration.toMillis(silentAfter)
      return { at, budget, identity, info, sessions: ownSessions, shards: isSilent ? own.map(waiting) : own, version }
    })
  })
  yield* Effect.ignore(look)
  yield* look.pipe(Effect.ignore, Effect.andThen(Effect.sleep(lookEvery)), Effect.forever, Effect.forkScoped)
  return () => states
})

/** Failure of a call that did not reach the broker. */
const unreachable = ({ message }: RelayBrokerError) =>
  new GatewayError({ reason: new ShardUnreachable({ id: 0, description: message }) })

/** Calls of one consumer and their answers. */
const makeCalls = Effect.fnUntraced(function* (broker: RelayBroker["Service"], name: string) {
  const pending = new Map<number, Queue.Queue<RelayAnswer["what"]>>()
  let calls = 0
  yield* broker.follow(RelayCalls.channels.answersTo(name), { fromStart: true }).pipe(
    Stream.runForEach(({ text }) =>
      Effect.ignore(
        Effect.map(RelayCalls.texts.answer.decode(text), ({ to, what }) => {
          const answers = pending.get(to)
          if (answers !== undefined) Queue.offerUnsafe(answers, what)
        })
      )
    ),
    Effect.retry(unansweredWait),
    Effect.forkScoped
  )

  /** The parts of the answer, up to what became of it. */
  const ask = (
    what: RelayCall["what"],
    timeout: Duration.Duration
  ): Stream.Stream<Exclude<RelayAnswer["what"], { readonly _tag: "Failed" }>, GatewayError> =>
    Stream.unwrap(
      Effect.gen(function* (): Effect.fn.Return<
        Stream.Stream<Exclude<RelayAnswer["what"], { readonly _tag: "Failed" }>, GatewayError>,
        GatewayError,
        Scope.Scope
      > {
        const id = ++calls
        const answers = yield* Queue.unbounded<RelayAnswer["what"]>()
        yield* Effect.acquireRelease(
          Effect.sync(() => pending.set(id, answers)),
          () => Effect.sync(() => pending.delete(id))
        )
        const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(timeout)
        const text = yield* Effect.orDie(RelayCalls.texts.call.encode({ version: 1, id, from: name, until, what }))
        yield* Effect.mapError(broker.post(RelayCalls.channels.calls, text), unreachable)
        let isOver = false
        return Stream.unfold(undefined, () =>
          isOver
            ? Effect.succeed(undefined)
            : Effect.flatMap(Queue.take(answers), (answer) => {
                if (answer._tag === "Failed") return Effect.fail(answer.error)
                isOver = answer._tag === "Done"
                return Effect.succeed([answer, undefined] as const)
              })
        )
      })
    )
  return { ask }
})
