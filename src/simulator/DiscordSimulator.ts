/**
 * A Discord to test bots against: it dispatches events, counts what clients did, and goes wrong when it is told to.
 *
 * In memory it stands for the network, and every wait is on the `Clock`, so a `TestClock` drives it. Served, the same
 * Discord answers on a loopback port, for real sockets and for programs in any language.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { HttpClient } from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { WebSocketConstructor } from "effect/socket/Socket"
import { Act } from "./Act.ts"
import type { Fault } from "./Fault.ts"
import * as MemoryNetwork from "./MemoryNetwork.ts"
import type { ConnectionRecord, Counts, DialRecord, RequestRecord, SessionRecord } from "./Observations.ts"
import { SimulatedDiscord, type Target } from "./SimulatedDiscord.ts"
import * as Served from "./Served.ts"
import {
  type Addresses,
  type MemoryOptions,
  type ServeOptions,
  settle,
  type SimulatorOptions
} from "./SimulatorOptions.ts"
import * as Timers from "./Timers.ts"
import * as Traffic from "./Traffic.ts"

/** An event to dispatch. */
export interface SimulatedEvent extends Target {
  readonly t: string
  readonly d: unknown
}

/**
 * The simulated Discord.
 *
 * ```ts
 * const simulator = yield* DiscordSimulator
 * yield* simulator.dispatch("MESSAGE_CREATE", { content: "hello" })
 * yield* simulator.drop()
 * ```
 */
export class DiscordSimulator extends Context.Service<
  DiscordSimulator,
  {
    /** The base of the REST API: a client's `apiUrl`. */
    readonly apiUrl: string
    /** What GET /gateway/bot gives: a client's `gatewayUrl`. */
    readonly gatewayUrl: string
    /** The bot's token, as it was when the simulator started. */
    readonly token: Redacted.Redacted

    /**
     * Dispatches an event to every session whose intents include it: `dispatch("MESSAGE_CREATE", { content: "hi" })`.
     * Sessions that are not connected get it when they resume. Returns to how many sessions it went.
     */
    readonly dispatch: (name: string, d: unknown, target?: Target) => Effect.Effect<number>
    /** Dispatches many events in order: `dispatchAll([{ t: "TYPING_START", d: {} }])`. Returns the sum of sessions. */
    readonly dispatchAll: (events: Iterable<SimulatedEvent>) => Effect.Effect<number>

    /** Performs an act on open connections: `act(Act.close(4000), { shard: 1 })`. Returns on how many. */
    readonly act: (act: Act, target?: Target) => Effect.Effect<number>
    /** Asks clients to reconnect: op 7. */
    readonly reconnect: (target?: Target) => Effect.Effect<number>
    /** Tells clients that their session is not valid: op 9. Unless `resumable`, the session ends. */
    readonly invalidateSession: (resumable: boolean, target?: Target) => Effect.Effect<number>
    /** Asks clients for a heartbeat at once: op 1. */
    readonly requestHeartbeat: (target?: Target) => Effect.Effect<number>
    /** Closes connections: `close(4000)`, or `close()` for a close frame without a code. Codes are 1000 to 4999. */
    readonly close: (code?: number, target?: Target & { readonly reason?: string }) => Effect.Effect<number>
    /** Resets connections: there is no close frame. */
    readonly drop: (target?: Target) => Effect.Effect<number>
    /** Sends text or bytes in one frame, whatever they are: `sendRaw("{")`. */
    readonly sendRaw: (frame: string | Uint8Array, target?: Target) => Effect.Effect<number>
    /** Goes silent on the open connections: nothing is sent or read, until {@link unmute}. New ones are not mute. */
    readonly mute: (target?: Target) => Effect.Effect<number>
    /** Says what was held back on mute connections, and reads what came meanwhile. */
    readonly unmute: (target?: Target) => Effect.Effect<number>
    /** Lets sessions expire: they cannot be resumed any more. Connected ones go on until their connection is lost. */
    readonly endSessions: (target?: Target) => Effect.Effect<number>

    /** What goes wrong without being told each time: see {@link Fault}. */
    readonly faults: {
      /** Lets faults stand: `inject(Fault.dial("refuse", { times: 3 }))`. */
      readonly inject: (...faults: ReadonlyArray<Fault>) => Effect.Effect<void>
      /** Takes back one fault: the same value that was injected. */
      readonly lift: (fault: Fault) => Effect.Effect<void>
      /** All is well again: no fault stands, and mute connections speak. */
      readonly clear: Effect.Effect<void>
      /** The faults that stand. */
      readonly standing: Effect.Effect<ReadonlyArray<Fault>>
    }

    /** How often clients did what. */
    readonly counts: Effect.Effect<Counts>
    /** Every attempt to open a WebSocket connection. */
    readonly dials: Effect.Effect<ReadonlyArray<DialRecord>>
    /** Every WebSocket connection that was opened, with what the client sent on it. */
    readonly connections: Effect.Effect<ReadonlyArray<ConnectionRecord>>
    /** Every session that was started, with what was dispatched to it. */
    readonly sessions: Effect.Effect<ReadonlyArray<SessionRecord>>
    /** Every REST request. */
    readonly requests: Effect.Effect<ReadonlyArray<RequestRecord>>
  }
>()("disruption-gateway/DiscordSimulator") {
  /** A Discord in memory that takes the place of the network, with chosen options. */
  static readonly layerWith = (
    options: MemoryOptions = {}
  ): Layer.Layer<DiscordSimulator | WebSocketConstructor | HttpClient> =>
    Layer.effectContext(
      Effect.gen(function* () {
        const discord = yield* makeDiscord(options, MemoryNetwork.addresses)
        const latency = Duration.toMillis(Duration.fromInputUnsafe(options.latency ?? "10 millis"))
        const network = { latency, frames: options.frames ?? "text" } as const
        return Context.make(DiscordSimulator, serviceOf(discord)).pipe(
          Context.add(WebSocketConstructor, MemoryNetwork.webSocketConstructor(discord, network)),
          Context.add(HttpClient, yield* MemoryNetwork.httpClient(discord, network))
        )
      })
    )

  /** A Discord in memory that takes the place of the network: every wait is on the `Clock`. */
  static readonly layer: Layer.Layer<DiscordSimulator | WebSocketConstructor | HttpClient> =
    DiscordSimulator.layerWith()

  /**
   * The same Discord on a port of this computer, for real sockets: `DiscordSimulator.serve({ port: 8080 })`. Clients are
   * given its `apiUrl`, or its `gatewayUrl`. Fails if the port is taken.
   */
  static readonly serve = (options: ServeOptions = {}): Layer.Layer<DiscordSimulator, Served.PortUnavailable> =>
    Layer.effect(
      DiscordSimulator,
      Effect.gen(function* () {
        const listening = yield* Served.listen(options.host ?? "127.0.0.1", options.port ?? 0)
        const discord = yield* makeDiscord(
          { identifyGrace: "100 millis", history: 1000, ...options },
          listening.addresses
        )
        Served.attach(listening, discord)
        return serviceOf(discord)
      })
    )

  /**
   * Dispatches believable events for ever, and now and then lets something go wrong:
   * `DiscordSimulator.traffic({ perSecond: 20, incidents: "30 seconds" })`.
   */
  static readonly traffic = (options?: Traffic.TrafficOptions): Effect.Effect<never, never, DiscordSimulator> =>
    Effect.flatMap(DiscordSimulator, (simulator) => Traffic.run(simulator, options))
}

const makeDiscord = Effect.fnUntraced(function* (
  options: SimulatorOptions,
  addresses: Addresses
): Effect.fn.Return<SimulatedDiscord, never, Scope.Scope> {
  const timers = yield* Timers.make
  const run = yield* Random.nextIntBetween(0, 2 ** 48)
  return new SimulatedDiscord(settle(options, addresses), timers, run.toString(16).padStart(16, "0"))
})

const serviceOf = (discord: SimulatedDiscord): DiscordSimulator["Service"] => {
  const act = (act: Act, target?: Target) =>
    Effect.sync(() => {
      const connections = discord.connectionsOf(target)
      for (const connection of connections) discord.perform(act, connection)
      return connections.length
    })
  const unmute = (target?: Target) =>
    Effect.sync(() => {
      const mute = discord.connectionsOf(target).filter((connection) => connection.isMute)
      for (const connection of mute) connection.unmute()
      return mute.length
    })
  const now = Effect.sync(() => discord.timers.now())
  return {
    apiUrl: discord.settings.apiUrl,
    gatewayUrl: discord.settings.gatewayUrl,
    token: discord.settings.token,
    dispatch: (name, d, target) => Effect.sync(() => discord.dispatch(name, d, target)),
    dispatchAll: (events) =>
      Effect.sync(() => {
        let reached = 0
        for (const event of events) reached += discord.dispatch(event.t, event.d, event)
        return reached
      }),
    act,
    reconnect: (target) => act(Act.reconnect, target),
    invalidateSession: (resumable, target) => act(Act.invalidSession(resumable), target),
    requestHeartbeat: (target) => act(Act.requestHeartbeat, target),
    close: (code, target) => act(Act.close(code, target?.reason), target),
    drop: (target) => act(Act.drop, target),
    sendRaw: (frame, target) => act(Act.sendRaw(frame), target),
    mute: (target) => act(Act.mute, target),
    unmute,
    endSessions: (target) => Effect.sync(() => discord.expireSessions(target)),
    faults: {
      inject: (...faults) => Effect.sync(() => discord.faults.inject(faults)),
      lift: (fault) => Effect.sync(() => discord.faults.lift(fault)),
      clear: Effect.andThen(
        Effect.sync(() => discord.faults.clear()),
        Effect.asVoid(unmute())
      ),
      standing: Effect.sync(() => discord.faults.all)
    },
    counts: Effect.sync(() => ({ ...discord.counts })),
    dials: Effect.sync(() => discord.dials.all),
    connections: Effect.sync(() => discord.connections.all.map((connection) => connection.record())),
    sessions: Effect.map(now, (now) => discord.sessions.all.map((session) => session.record(now))),
    requests: Effect.sync(() => discord.requests.all)
  }
}
