/**
 * A bot on the simulated Discord, and what it saw: the arrangement of the tests of the services.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import type { GatewayError } from "../../src/schema/GatewayError.ts"
import type { Payload } from "../../src/schema/Payload.ts"
import type { ShardEvent } from "../../src/schema/ShardEvent.ts"
import { Gateway, GatewayLive } from "../../src/gateway/Gateway.ts"
import { GatewayConfig, type GatewayOptions } from "../../src/services/GatewayConfig.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import type { MemoryOptions } from "../../src/simulator/SimulatorOptions.ts"

export interface Arrangement {
  readonly simulator?: MemoryOptions
  readonly config?: Partial<GatewayOptions>
}

/** A simulated Discord in memory, with heartbeats every 40 s unless the test says otherwise. */
export const discord = (options: MemoryOptions = {}) =>
  DiscordSimulator.layerWith({ heartbeatInterval: "40 seconds", ...options })

/** Every random number is the middle: the first heartbeat goes out after half an interval. */
const inTheMiddle = Layer.succeed(Random.Random, { nextDoubleUnsafe: () => 0.5, nextIntUnsafe: () => 0 })

/** A gateway that is yet to be given a Discord. */
export const gateway = (config: Partial<GatewayOptions> = {}) =>
  GatewayLive.pipe(
    Layer.provide(GatewayConfig.layer({ token: "simulated-token", compression: "none", ...config })),
    Layer.provide(inTheMiddle)
  )

/** A gateway on a simulated Discord. */
export const layer = ({ config, simulator }: Arrangement = {}) =>
  gateway(config).pipe(Layer.provideMerge(discord(simulator)))

/** Payloads that a subscriber got. */
export interface Listener {
  readonly payloads: ReadonlyArray<Payload>
  readonly dispatches: () => ReadonlyArray<{ readonly t: string | null; readonly s: number | null }>
  readonly exit: Effect.Effect<Exit.Exit<void, GatewayError>>
}

/** Subscribes to everything. */
export const listen = Effect.gen(function* () {
  const gateway = yield* Gateway
  const payloads: Array<Payload> = []
  const fiber = yield* Effect.forkScoped(
    Stream.runForEach(gateway.payloads, (payload) => Effect.sync(() => void payloads.push(payload)))
  )
  return {
    payloads,
    dispatches: () => payloads.filter(({ op }) => op === 0).map(({ s, t }) => ({ t, s })),
    exit: Fiber.await(fiber)
  } satisfies Listener
})

/** Watches the changes. */
export const watch = Effect.gen(function* () {
  const gateway = yield* Gateway
  const events: Array<ShardEvent> = []
  yield* Effect.forkScoped(Stream.runForEach(gateway.changes, (event) => Effect.sync(() => void events.push(event))))
  return {
    events,
    tags: () => events.map(({ _tag }) => _tag),
    /** The waits that were announced, in milliseconds. */
    waits: () => events.flatMap((event) => (event._tag === "Waiting" ? [Duration.toMillis(event.delay)] : []))
  }
})

/** When it happened, in milliseconds since the epoch. */
export const timeOf = (event: ShardEvent | undefined): number | undefined =>
  event === undefined ? undefined : DateTime.toEpochMillis(event.at)

/** Subscribes, watches, and lets the handshake happen. */
export const ready = Effect.gen(function* () {
  const simulator = yield* DiscordSimulator
  const gateway = yield* Gateway
  const listener = yield* listen
  const watcher = yield* watch
  yield* TestClock.adjust("1 second")
  return { simulator, gateway, listener, watcher }
})

/** Opcodes that the client sent, by connection, without heartbeats. */
export const handshakes = Effect.gen(function* () {
  const simulator = yield* DiscordSimulator
  const connections = yield* simulator.connections
  return connections.map(({ frames }) => frames.map(({ op }) => op).filter((op) => op !== 1))
})

/** IDENTIFYs that the client sent, with their times in milliseconds since the epoch. */
export const identifies = Effect.gen(function* () {
  const simulator = yield* DiscordSimulator
  const connections = yield* simulator.connections
  return connections.flatMap(({ frames, shard }) =>
    frames.filter(({ op }) => op === 2).map(({ at }) => ({ at, shard }))
  )
})
