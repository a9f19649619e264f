/**
 * What a program talks to: the payloads of all shards as one stream, and how the shards are doing.
 *
 * The shards connect as soon as the layer is built, in its scope. What cannot be recovered from ends the stream.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Socket from "effect/socket/Socket"
import * as Stream from "effect/Stream"
import type { GatewayError } from "../schema/GatewayError.ts"
import { type Dispatch, type DispatchName, isDispatch, type Payload } from "../schema/Payload.ts"
import type { Session } from "../schema/Session.ts"
import type { ShardEvent } from "../schema/ShardEvent.ts"
import type { ShardStatus } from "../schema/ShardStatus.ts"
import * as Delivery from "./Delivery.ts"
import { GatewayConfig } from "./GatewayConfig.ts"
import { GatewayConnection } from "./GatewayConnection.ts"
import { GatewayDirectory } from "./GatewayDirectory.ts"
import { Heartbeat } from "./Heartbeat.ts"
import { IdentifyLimiter } from "./IdentifyLimiter.ts"
import { SessionStore } from "./SessionStore.ts"
import * as Shard from "./Shard.ts"
import * as ShardEvents from "./ShardEvents.ts"
import * as Wake from "./Wake.ts"

/** The services that a gateway is made of. */
export type GatewayServices =
  | GatewayConfig
  | GatewayConnection
  | GatewayDirectory
  | Heartbeat
  | IdentifyLimiter
  | SessionStore

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
     * The dispatches of one name, typed by discord-api-types.
     *
     * ```ts
     * gateway.on("MESSAGE_CREATE").pipe(Stream.runForEach(({ d }) => Effect.log(d.content)))
     * ```
     */
    readonly on: <Name extends DispatchName>(name: Name) => Stream.Stream<Dispatch<Name>, GatewayError>
    /** How every shard is doing, by number. */
    readonly shards: Effect.Effect<ReadonlyArray<ShardStatus>>
    /** What happens to the connections, beginning with the last 128 events. A slow watcher misses the oldest. */
    readonly changes: Stream.Stream<ShardEvent>
    /** The session of a shard (by default the first), with the sequence that we would resume from. */
    readonly session: (shard?: number) => Effect.Effect<Option.Option<Session>>
  }
>()("disruption-gateway/Gateway") {
  /** The gateway on services of your choice. `GatewayLive` is this with the usual ones. */
  static readonly layer: Layer.Layer<Gateway, GatewayError, GatewayServices> = Layer.effect(
    Gateway,
    Effect.gen(function* () {
      const config = yield* GatewayConfig
      const events = yield* ShardEvents.make
      const wake = yield* Wake.make
      const delivery = Delivery.make({
        capacity: config.buffer,
        onHandled: (payloads) => {
          for (const payload of payloads) byNumber.get(payload.shard)?.handle(payload)
        }
      })
      const shards = yield* Effect.forEach(config.shards, (id) => Shard.make(id, { delivery, events, wake }))
      const byNumber = new Map(shards.map((shard) => [shard.id.id, shard]))

      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          Effect.sync(() => delivery.end(Delivery.interrupted)),
          events.end
        )
      )
      yield* Effect.forEach(shards, (shard) => shard.run, { concurrency: "unbounded", discard: true }).pipe(
        Effect.onError((cause) => Effect.sync(() => delivery.end(Exit.failCause(cause)))),
        Effect.forkScoped
      )

      const payloads = delivery.payloads
      return Gateway.of({
        payloads,
        on: <Name extends DispatchName>(name: Name) =>
          Stream.filter(payloads, (payload): payload is Dispatch<Name> => isDispatch(payload, name)),
        shards: Effect.sync(() => shards.map((shard) => shard.status())),
        changes: events.changes,
        session: (id) =>
          Effect.sync(() =>
            Option.flatMap(Option.fromUndefinedOr(id === undefined ? shards[0] : byNumber.get(id)), (shard) =>
              shard.session()
            )
          )
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
