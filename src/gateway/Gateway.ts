/**
 * The program's side of the gateway: the payloads of all shards, handled or as one stream, and the state of the shards.
 *
 * The shards connect as soon as the layer is built, in its scope. What cannot be recovered from ends the stream.
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import type * as HttpClient from "effect/http/HttpClient"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import type * as Stream from "effect/Stream"
import type { GatewayError } from "../schema/GatewayError.ts"
import type { GatewayInfo } from "../schema/GatewayInfo.ts"
import type { Identity } from "../schema/Identity.ts"
import * as Identities from "../schema/Identity.ts"
import type { IdentifyBudget } from "../schema/IdentifyBudget.ts"
import { type DispatchName, type DispatchOf, isDispatchOf, type Payload } from "../schema/Payload.ts"
import type { SendEvent } from "../schema/SendEvent.ts"
import type { Session } from "../schema/Session.ts"
import { ShardEvent } from "../schema/ShardEvent.ts"
import type { ShardStatus } from "../schema/ShardStatus.ts"
import type { Delivery } from "./Delivery.ts"
import * as DeliveryLog from "./DeliveryLog.ts"
import * as Deliveries from "./Deliveries.ts"
import * as Forwarding from "./Forwarding.ts"
import type { Forwarded } from "./Forwarding.ts"
import * as Handlers from "./Handlers.ts"
import type { DispatchHandlers, HandlerError, HandlerOptions, HandlerServices } from "./Handlers.ts"
import * as ShardManager from "./ShardManager.ts"
import type { SendOptions } from "./ShardManager.ts"
import type { JoinVoiceChannel, VoiceConnection } from "./VoiceConnection.ts"
import * as VoiceConnections from "./VoiceConnections.ts"
import { botIdOf } from "../services/BotId.ts"
import * as BotMetrics from "../services/BotMetrics.ts"
import { GatewayConfig } from "../services/GatewayConfig.ts"
import { GatewayConnection } from "../services/GatewayConnection.ts"
import { GatewayDirectory } from "../services/GatewayDirectory.ts"
import { GatewayOwner } from "../services/GatewayOwner.ts"
import * as OwnedStores from "../services/OwnedStores.ts"
import * as GatewayInstruments from "./GatewayInstruments.ts"
import { Heartbeat } from "../services/Heartbeat.ts"
import { IdentifyLimiter } from "../services/IdentifyLimiter.ts"
import * as NamedStores from "../services/NamedStores.ts"
import * as MonotonicTime from "../services/MonotonicTime.ts"
import * as ProcessMetrics from "./ProcessMetrics.ts"
import * as MemberRequests from "./MemberRequests.ts"
import type { MembersChunk, MembersRequest } from "./MemberRequests.ts"
import { SessionStore } from "../services/SessionStore.ts"
import { ShardLease } from "../services/ShardLease.ts"
import * as ShardEvents from "./ShardEvents.ts"

/**
 * The services that a gateway is made of.
 *
 * @since 0.1.0
 * @category models
 */
export type GatewayServices =
  | GatewayConfig
  | GatewayConnection
  | GatewayDirectory
  | Heartbeat
  | IdentifyLimiter
  | SessionStore

/** A service that the program provides, or else the usual one. */
const orUsual = <I, S, E, R>(service: Context.Key<I, S>, usual: Layer.Layer<I, E, R>): Layer.Layer<I, E, R> =>
  Layer.unwrap(
    Effect.map(
      Effect.serviceOption(service),
      Option.match({ onNone: () => usual, onSome: (provided) => Layer.succeed(service, provided) })
    )
  )

/**
 * The Discord gateway.
 *
 * @since 0.1.0
 * @category services
 */
export class Gateway extends Context.Service<
  Gateway,
  {
    /**
     * Connects the shards, where the option `connect` is "manual"; otherwise they have connected already. Whoever subscribed before
     * sees everything from the first payload on.
     *
     * ```ts
     * yield* Effect.forkScoped(gateway.handle({ GUILD_CREATE: remember }))
     * yield* Effect.forkScoped(gateway.handle({ MESSAGE_CREATE: answer }))
     * yield* gateway.connect
     * ```
     */
    readonly connect: Effect.Effect<void>
    /**
     * Handles dispatches by their names: a dispatch is handled when its handler has succeeded. After a crash, or a failure,
     * whatever is not handled comes again, in order. Names without a handler are dropped before they are parsed. Runs until
     * the gateway ends. Fails with a handler's error unless `onFailure` says otherwise.
     *
     * ```ts
     * gateway.handle({
     *   MESSAGE_CREATE: ({ d }) => Effect.log(d.content),
     *   GUILD_CREATE: ({ d }) => Effect.log(d.name)
     * }, { concurrency: 16 })
     * ```
     */
    readonly handle: <const H extends DispatchHandlers, E2 = never, R2 = never>(
      handlers: H,
      options?: HandlerOptions<HandlerError<H>, E2, R2>
    ) => Effect.Effect<never, GatewayError | HandlerError<H> | E2, HandlerServices<H> | R2>
    /** Handles every payload of every shard, raw, all opcodes, as `handle` does. */
    readonly runForEach: <A, E, R, E2 = never, R2 = never>(
      handler: (payload: Payload) => Effect.Effect<A, E, R>,
      options?: HandlerOptions<E, E2, R2>
    ) => Effect.Effect<never, GatewayError | E | E2, R | R2>
    /**
     * Every payload with its acknowledgement, for streams that are composed by hand: merged, buffered, grouped, broadcast. A
     * payload is handled when its `ack` has run; what is not acknowledged when the stream ends is for the next subscriber.
     */
    readonly deliveries: Stream.Stream<Delivery, GatewayError>
    /**
     * Passes dispatches on in the order of each shard, those that have come at once: a batch is handled when `write` has succeeded,
     * and the next one begins after it. Their data is not parsed unless something else wants it. Runs until the gateway ends;
     * fails with the error of `write`, and then the batch is for the next subscriber.
     *
     * ```ts
     * gateway.forward((batch) => queue.publish(batch.map(({ text }) => text)))
     * ```
     */
    readonly forward: <A, E, R>(
      write: (batch: Arr.NonEmptyReadonlyArray<Forwarded>) => Effect.Effect<A, E, R>
    ) => Effect.Effect<never, GatewayError | E, R>
    /**
     * Every inbound payload of every shard, raw, all opcodes (of a flood of op 1 only those that are answered), in the order
     * of each shard. A payload is handled when the
     * subscriber asks for the next one: right for `Stream.runForEach` and whatever does not read ahead; `Stream.merge`,
     * `buffer`, `broadcast`, `groupByKey` and concurrency read ahead and want `deliveries`.
     *
     * Every subscriber sees every payload from when it begins; the first one, and one that finds no other, also what came
     * before. Where several are to see everything, `connect` comes after the last of them has begun. A slow subscriber pauses the socket. Fails only with what cannot be recovered from.
     */
    readonly payloads: Stream.Stream<Payload, GatewayError>
    /**
     * The dispatches of one name, or of several, in order, typed by discord-api-types; several are told apart by their `t`.
     * Handled as those of `payloads` are.
     *
     * ```ts
     * gateway.on("MESSAGE_CREATE").pipe(Stream.runForEach(({ d }) => Effect.log(d.content)))
     * ```
     */
    readonly on: <Name extends DispatchName>(
      ...names: readonly [Name, ...ReadonlyArray<Name>]
    ) => Stream.Stream<DispatchOf<Name>, GatewayError>
    /**
     * Sends a payload when its shard is ready and Discord's limits allow it; order is kept. Ends when it was handed to the
     * socket. Fails with `InvalidSendEvent`, `UnknownShard`, `SendQueueFull`, `SendTimeout`, or with what the gateway fails
     * with: then its shard has not sent it. Of a payload for several shards, such as a presence, some may have sent theirs.
     * Interrupting it takes it out of the queue.
     *
     * ```ts
     * gateway.send(SendEvent.updateVoiceState({ guild_id, channel_id, self_mute: false, self_deaf: false }))
     * ```
     */
    readonly send: (event: SendEvent, options?: SendOptions) => Effect.Effect<void, GatewayError>
    /**
     * Asks for members of a guild and gives the chunks of the answer; ends with the last one. Rate limits are waited out,
     * and what was missed over a reconnect comes again. Fails with `SendTimeout` when no chunk comes for the `timeout` (30
     * seconds unless given).
     */
    readonly requestGuildMembers: (
      request: MembersRequest,
      options?: { readonly timeout?: Duration.Input | undefined }
    ) => Stream.Stream<MembersChunk, GatewayError>
    /**
     * Joins a voice channel and gives what a voice library takes: session, token, endpoint; see `VoiceConnection` for the
     * adapters. Closing the scope leaves the channel. Takes the intent GUILD_VOICE_STATES. Fails with `VoiceTimeout` when
     * Discord does not answer, which is how it refuses, and as `send` does.
     *
     * ```ts
     * const { server } = yield* gateway.joinVoiceChannel({ guild, channel })
     * const { endpoint, sessionId, token } = yield* server
     * ```
     */
    readonly joinVoiceChannel: (options: JoinVoiceChannel) => Effect.Effect<VoiceConnection, GatewayError, Scope.Scope>
    /**
     * The bot's user, application and guild ids, as the READYs of this process's shards had them. It is kept with the session,
     * so it is there after a RESUME in a new process, too. None before the first READY or RESUME; from then on it stays.
     */
    readonly identity: Effect.Effect<Option.Option<Identity>>
    /** The status of every shard, by number. */
    readonly shards: Effect.Effect<ReadonlyArray<ShardStatus>>
    /** Events of the connections, beginning with the last 128. A slow watcher misses the oldest. */
    readonly changes: Stream.Stream<ShardEvent>
    /** The session of a shard (by default the first), with the sequence that we would resume from. */
    readonly session: (shard?: number) => Effect.Effect<Option.Option<Session>>
    /** The answer of GET /gateway/bot, at most a minute old. None where a `gatewayUrl` is configured. */
    readonly info: Effect.Effect<Option.Option<GatewayInfo>, GatewayError>
    /** The rest of the day's IDENTIFYs: Discord's last answer, less those sent since. None before the first answer. */
    readonly identifyBudget: Effect.Effect<Option.Option<IdentifyBudget>>
    /** Gives a shard a new connection, on which it resumes, or ends its wait for the next attempt. */
    readonly restart: (shard: number) => Effect.Effect<void, GatewayError>
    /**
     * Runs the bot with another number of shards, without a pause: brings the new ones up beside the old, switches when all
     * are ready, and ends the old ones. Ends when that is done. See docs/sharding.md for what is and is not guaranteed.
     */
    readonly reshard: (total: number) => Effect.Effect<void, GatewayError>
  }
>()("disruption-gateway/gateway/Gateway") {
  /** The gateway on services that are all left to be provided. */
  static readonly layerNoDeps: Layer.Layer<Gateway, GatewayError, GatewayServices> = Layer.effect(
    Gateway,
    Effect.gen(function* () {
      const config = yield* GatewayConfig
      const directory = yield* GatewayDirectory
      const metricContext = yield* BotMetrics.contextOf(config.token)
      const metrics = GatewayInstruments.make(metricContext, config.events)
      const events = yield* ShardEvents.make(
        metrics.onEvent,
        config.shards === "auto" ? Number.POSITIVE_INFINITY : config.shards.length
      )
      const clock = yield* Clock.Clock
      const fork = yield* FiberSet.makeRuntime<never, void, never>()
      // It ends last: what is stored at the end is stored by the owner.
      const owner = yield* Effect.serviceOption(GatewayOwner)
      const ownership = Option.isSome(owner) ? yield* owner.value.join(events.announce) : undefined
      const own = yield* NamedStores.contextOf(config.token)
      const stores = Context.merge(own, yield* Effect.provideContext(OwnedStores.contextOf(ownership?.lease), own))
      let wanted = config.events
      let passesOn = false
      const log = new DeliveryLog.DeliveryLog({
        capacity: config.buffer,
        capacityBytes: config.bufferBytes,
        now: () => MonotonicTime.of(clock),
        lease: ownership?.lease ?? (yield* ShardLease),
        grace: Duration.minutes(1),
        fork,
        onAbandoned: (payloads) => events.announce((at) => ShardEvent.DeliveriesAbandoned({ shard: 0, at, payloads })),
        onWanted: (names, onlyPassedOn) => {
          wanted = intersect(config.events, names)
          passesOn = onlyPassedOn
        }
      })
      yield* Deliveries.watchOverdue(log, events)
      const members = MemberRequests.make()
      const voice = VoiceConnections.make({
        userId: botIdOf(config.token),
        send: (event, options) => send(event, options),
        fork
      })
      const told = yield* Latch.make(config.connect === "auto")
      const manager = yield* ShardManager.make({
        log,
        wanted: () => voice.wanted(wanted),
        passesOn: () => passesOn,
        events,
        metrics,
        metricContext,
        onDispatch: (payload) => {
          members.onDispatch(payload)
          voice.onDispatch(payload)
        },
        told: told.await,
        ownership
      }).pipe(Effect.provideContext(stores))
      const shards = () => manager.shards().map((shard) => shard.status)
      yield* ProcessMetrics.observe(
        {
          shards,
          buffer: log.size,
          budget: directory.budget,
          recommended: manager.recommended,
          unacknowledged: () => {
            const oldest = log.oldest()
            return oldest === undefined ? 0 : (log.now() - oldest.since) / 1000
          }
        },
        metricContext
      )
      const send: Gateway["Service"]["send"] = (event, options) =>
        metrics.measureSend(event, manager.send(event, options)).pipe(
          Effect.tapError(({ reason }) => Effect.annotateCurrentSpan("error.type", reason._tag)),
          Effect.withSpan(
            "Gateway.send",
            { kind: "producer", attributes: { "messaging.system": "discord", "discord.opcode": event.op } },
            { captureStackTrace: false }
          )
        )

      yield* Effect.addFinalizer((exit) =>
        Effect.andThen(
          Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? manager.endInPeace : Effect.void,
          Effect.andThen(
            Effect.sync(() => log.end(DeliveryLog.interrupted)),
            events.end
          )
        )
      )
      yield* manager.run.pipe(
        Effect.provideContext(stores),
        Effect.onError((cause) =>
          Effect.sync(() => {
            log.end(Exit.failCause(cause))
            Option.map(Cause.findErrorOption(cause), voice.end)
          })
        ),
        Effect.forkScoped
      )

      const handlers = { log, flush: manager.flush }
      return Gateway.of({
        // Subscribers that were forked just before begin first.
        connect: Effect.asVoid(told.open),
        handle: (byName, options) =>
          Handlers.run(handlers, Handlers.wantedBy(byName), Handlers.dispatcher(byName), options, byName),
        runForEach: (handler, options) => Handlers.run(handlers, undefined, handler, options),
        deliveries: Deliveries.acknowledged(log),
        forward: (write) => Forwarding.run(log, write),
        payloads: Deliveries.payloads(log),
        on: <Name extends DispatchName>(...names: ReadonlyArray<Name>) => {
          const wanted = new Set<string>(names)
          return Deliveries.dispatches(log, wanted, (payload): payload is DispatchOf<Name> =>
            isDispatchOf(payload, wanted)
          )
        },
        send,
        requestGuildMembers: (request, options = {}) =>
          members.request(request, {
            send,
            timeout: Duration.fromInputUnsafe(options.timeout ?? "30 seconds")
          }),
        joinVoiceChannel: voice.join,
        identity: Effect.sync(() =>
          Identities.ofShards(manager.shards().flatMap(({ identity }) => (identity === undefined ? [] : [identity])))
        ),
        shards: Effect.sync(shards),
        changes: events.changes,
        session: (id) =>
          Effect.sync(() => {
            const shard = manager.shards().find((shard) => id === undefined || shard.id.id === id)
            return shard === undefined ? Option.none() : shard.currentSession
          }),
        info: Effect.map(
          directory.recent(Duration.minutes(1)),
          Option.map(({ info }) => info)
        ),
        identifyBudget: Effect.sync(directory.budget),
        restart: manager.restart,
        reshard: manager.reshard
      })
    })
  )

  /**
   * The gateway with the usual services: sessions and limits in memory, connections over `effect/socket`. A service that is
   * provided to it takes the place of the usual one.
   *
   * ```ts
   * Gateway.layer.pipe(Layer.provide(SessionStore.layerPersisted))
   * ```
   */
  static readonly layer: Layer.Layer<
    Gateway,
    GatewayError,
    GatewayConfig | Socket.WebSocketConstructor | HttpClient.HttpClient
  > = Gateway.layerNoDeps.pipe(
    Layer.provide([
      orUsual(GatewayConnection, GatewayConnection.layer),
      orUsual(Heartbeat, Heartbeat.layer),
      orUsual(SessionStore, SessionStore.layerMemory),
      orUsual(IdentifyLimiter, IdentifyLimiter.layerMemory)
    ]),
    Layer.provide(orUsual(GatewayDirectory, GatewayDirectory.layer))
  )
}

/** The names that both lists have; undefined is all names. */
const intersect = (
  one: ReadonlySet<string> | undefined,
  other: ReadonlySet<string> | undefined
): ReadonlySet<string> | undefined => {
  if (one === undefined) return other
  return other === undefined ? one : new Set([...one].filter((name) => other.has(name)))
}

/**
 * The gateway with sessions and limits in memory. `NodeGateway.layer` brings the WebSocket and the HTTP client, too.
 *
 * @since 0.1.0
 * @category layers
 */
export const GatewayLive: Layer.Layer<
  Gateway,
  GatewayError,
  GatewayConfig | Socket.WebSocketConstructor | HttpClient.HttpClient
> = Gateway.layer
