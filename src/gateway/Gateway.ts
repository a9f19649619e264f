/**
 * What a program talks to: the payloads of all shards as one stream, and how the shards are doing.
 *
 * The shards connect as soon as the layer is built, in its scope. What cannot be recovered from ends the stream.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Socket from "effect/socket/Socket"
import * as Stream from "effect/Stream"
import type { GatewayError } from "../schema/GatewayError.ts"
import type { GatewayInfo } from "../schema/GatewayInfo.ts"
import { type DispatchName, type DispatchOf, isDispatchOf, type Payload } from "../schema/Payload.ts"
import type { SendEvent } from "../schema/SendEvent.ts"
import type { Session } from "../schema/Session.ts"
import type { ShardEvent } from "../schema/ShardEvent.ts"
import type { ShardStatus } from "../schema/ShardStatus.ts"
import * as Delivery from "./Delivery.ts"
import * as ShardManager from "./ShardManager.ts"
import type { SendOptions } from "./ShardManager.ts"
import * as BotMetrics from "../services/BotMetrics.ts"
import { GatewayConfig } from "../services/GatewayConfig.ts"
import { GatewayConnection } from "../services/GatewayConnection.ts"
import { GatewayDirectory, type IdentifyBudget } from "../services/GatewayDirectory.ts"
import * as GatewayMetrics from "./GatewayMetrics.ts"
import { Heartbeat } from "../services/Heartbeat.ts"
import { IdentifyLimiter } from "../services/IdentifyLimiter.ts"
import * as ProcessMetrics from "./ProcessMetrics.ts"
import * as MemberRequests from "./MemberRequests.ts"
import type { MembersChunk, MembersRequest } from "./MemberRequests.ts"
import { SessionStore } from "../services/SessionStore.ts"
import type { ShardServices } from "../shard/Shard.ts"
import * as ShardEvents from "./ShardEvents.ts"

/** The services that a gateway is made of. */
export type GatewayServices = ShardServices

/** The Discord gateway. */
export class Gateway extends Context.Service<
  Gateway,
  {
    /**
     * Every inbound payload of every shard, raw, all opcodes, in the order of each shard. Every subscriber sees every
     * payload from when it begins; the first one, and one that finds no other, also what came before. A slow subscriber
     * pauses the socket. Fails only with what cannot be recovered from.
     */
    readonly payloads: Stream.Stream<Payload, GatewayError>
    /**
     * The dispatches of one name, or of several, in order, typed by discord-api-types. Several are told apart by their `t`.
     * Given the list that `events` in the configuration has, it is all that is decoded.
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
     * with; then nothing was sent. Interrupting it takes it out of the queue.
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
    /** How every shard is doing, by number. */
    readonly shards: Effect.Effect<ReadonlyArray<ShardStatus>>
    /** What happens to the connections, beginning with the last 128 events. A slow watcher misses the oldest. */
    readonly changes: Stream.Stream<ShardEvent>
    /** The session of a shard (by default the first), with the sequence that we would resume from. */
    readonly session: (shard?: number) => Effect.Effect<Option.Option<Session>>
    /** What GET /gateway/bot says, at most a minute old. None where a `gatewayUrl` is configured. */
    readonly info: Effect.Effect<Option.Option<GatewayInfo>, GatewayError>
    /** What is left of the day's IDENTIFYs: Discord's last answer, less those sent since. None before the first answer. */
    readonly identifyBudget: Effect.Effect<Option.Option<IdentifyBudget>>
    /** Gives a shard a new connection, on which it resumes, or ends its wait for the next attempt. */
    readonly restart: (shard: number) => Effect.Effect<void, GatewayError>
    /**
     * Runs the bot with another number of shards, without a pause: brings the new ones up beside the old, switches when all
     * are ready, and ends the old ones. Ends when that is done. See docs/sharding.md for what is and is not guaranteed.
     */
    readonly reshard: (total: number) => Effect.Effect<void, GatewayError>
  }
>()("disruption-gateway/Gateway") {
  /** The gateway on services of your choice. `GatewayLive` is this with the usual ones. */
  static readonly layer: Layer.Layer<Gateway, GatewayError, GatewayServices> = Layer.effect(
    Gateway,
    Effect.gen(function* () {
      const config = yield* GatewayConfig
      const directory = yield* GatewayDirectory
      const metricContext = yield* BotMetrics.contextOf(config.token)
      const metrics = GatewayMetrics.make(metricContext)
      const events = yield* ShardEvents.make(metrics.onEvent)
      const delivery = Delivery.make({ capacity: config.buffer, capacityBytes: config.bufferBytes })
      const members = MemberRequests.make()
      const manager = yield* ShardManager.make({
        delivery,
        events,
        metrics,
        metricContext,
        onDispatch: members.onDispatch
      })
      const shards = () => manager.shards().map((shard) => shard.status)
      yield* ProcessMetrics.observe({ shards, buffer: delivery.size, budget: directory.budget }, metricContext)
      const send: Gateway["Service"]["send"] = (event, options) =>
        metrics.measureSend(event, manager.send(event, options)).pipe(
          Effect.tapError(({ reason }) => Effect.annotateCurrentSpan("error.type", reason._tag)),
          Effect.withSpan(
            "Gateway.send",
            { kind: "producer", attributes: { "messaging.system": "discord", "discord.opcode": event.op } },
            { captureStackTrace: false }
          )
        )

      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          Effect.sync(() => delivery.end(Delivery.interrupted)),
          events.end
        )
      )
      yield* manager.run.pipe(
        Effect.onError((cause) => Effect.sync(() => delivery.end(Exit.failCause(cause)))),
        Effect.forkScoped
      )

      const payloads = delivery.payloads
      return Gateway.of({
        payloads,
        on: <Name extends DispatchName>(...names: ReadonlyArray<Name>) => {
          const wanted = new Set<string>(names)
          return Stream.filter(payloads, (payload): payload is DispatchOf<Name> => isDispatchOf(payload, wanted))
        },
        send,
        requestGuildMembers: (request, options = {}) =>
          members.request(request, {
            send,
            timeout: Duration.fromInputUnsafe(options.timeout ?? "30 seconds")
          }),
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
}

/** The gateway with sessions and limits in memory. `NodeGateway.layer` brings the WebSocket and the HTTP client, too. */
export const GatewayLive: Layer.Layer<
  Gateway,
  GatewayError,
  GatewayConfig | Socket.WebSocketConstructor | HttpClient.HttpClient
> = Gateway.layer.pipe(
  Layer.provide([GatewayConnection.layer, Heartbeat.layer, SessionStore.layerMemory, IdentifyLimiter.layerMemory]),
  Layer.provide(GatewayDirectory.layer)
)
