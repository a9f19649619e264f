/**
 * Simulated Discord for tests of bots: dispatches events, records requests and frames, and injects faults.
 *
 * In memory it replaces the network, and every wait is on the `Clock`, so a `TestClock` drives it. Served, the same
 * simulator answers on a loopback port, for real sockets and for programs in any language.
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
import type { DispatchData, DispatchName } from "../schema/Payload.ts"
import * as Act from "./Act.ts"
import type { Fault } from "./Fault.ts"
import type { SimulatedGuild } from "./Guilds.ts"
import * as MemoryNetwork from "./MemoryNetwork.ts"
import type { ConnectionRecord, SimulatorCounts, DialRecord, RequestRecord, SessionRecord } from "./Observations.ts"
import type { PartOf } from "./SampleEvents.ts"
import { SimulatedDiscord, type SimulatorTarget } from "./SimulatedDiscord.ts"
import * as Served from "./Served.ts"
import {
  type Addresses,
  type MemoryOptions,
  type ServeOptions,
  withDefaults,
  type SimulatorOptions
} from "./SimulatorOptions.ts"
import * as Timers from "./Timers.ts"
import * as Traffic from "./Traffic.ts"

/**
 * Event to dispatch.
 *
 * @since 0.1.0
 * @category models
 */
export interface SimulatedEvent extends SimulatorTarget {
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
 *
 * @since 0.1.0
 * @category services
 */
export class DiscordSimulator extends Context.Service<
  DiscordSimulator,
  {
    /** Base URL of the REST API: a client's `apiUrl`. */
    readonly apiUrl: string
    /** URL that GET /gateway/bot returns: a client's `gatewayUrl`. */
    readonly gatewayUrl: string
    /** Token of the bot at the start of the simulator. */
    readonly token: Redacted.Redacted

    /**
     * Dispatches an event to every session whose intents include it: `dispatch("MESSAGE_CREATE", { content: "hi" })`.
     * Disconnected sessions get it when they resume. Returns the number of sessions.
     *
     * It sends what it is given, without the fields that are not: `sampleEvent` makes a whole event of those that matter to a
     * test. Fields are those of the event's type; `dispatchAll` takes anything.
     */
    readonly dispatch: <Name extends string>(
      name: Name,
      d: Name extends DispatchName ? PartOf<DispatchData[Name]> : unknown,
      target?: SimulatorTarget
    ) => Effect.Effect<number>
    /** Dispatches many events in order, whatever is in them: `dispatchAll([{ t: "TYPING_START", d: {} }])`. Returns the sum over the sessions. */
    readonly dispatchAll: (events: Iterable<SimulatedEvent>) => Effect.Effect<number>
    /** The bot joins so many more guilds: GUILD_CREATE for each. Returns their ids. */
    readonly joinGuilds: (count: number) => Effect.Effect<ReadonlyArray<string>>
    /** The guilds that the bot is in and that are available, as the dispatched events have left them. */
    readonly guilds: Effect.Effect<ReadonlyArray<SimulatedGuild>>

    /** Performs an act on open connections: `act(Act.close(4000), { shard: 1 })`. Returns their number. */
    readonly act: (act: Act.Act, target?: SimulatorTarget) => Effect.Effect<number>
    /** Sends Reconnect (op 7). */
    readonly reconnect: (target?: SimulatorTarget) => Effect.Effect<number>
    /** Sends Invalid Session (op 9). The session ends unless `resumable`. */
    readonly invalidateSession: (resumable: boolean, target?: SimulatorTarget) => Effect.Effect<number>
    /** Requests a heartbeat (op 1). */
    readonly requestHeartbeat: (target?: SimulatorTarget) => Effect.Effect<number>
    /** Closes connections: `close(4000)`, or `close()` for a close frame without a code. Codes are 1000 to 4999. */
    readonly close: (code?: number, target?: SimulatorTarget & { readonly reason?: string }) => Effect.Effect<number>
    /** Resets TCP connections, without a close frame. */
    readonly drop: (target?: SimulatorTarget) => Effect.Effect<number>
    /** Sends one frame of arbitrary text or bytes: `sendRaw("{")`. */
    readonly sendRaw: (frame: string | Uint8Array, target?: SimulatorTarget) => Effect.Effect<number>
    /** Mutes the open connections: nothing is sent or read until `unmute`. New connections are not affected. */
    readonly mute: (target?: SimulatorTarget) => Effect.Effect<number>
    /** Unmutes connections: sends the frames held back and reads those that arrived. Returns their number. */
    readonly unmute: (target?: SimulatorTarget) => Effect.Effect<number>
    /** Expires sessions: they can no longer be resumed. Connected ones last as long as their connection. */
    readonly endSessions: (target?: SimulatorTarget) => Effect.Effect<number>

    /** Injected faults: see `Fault`. */
    readonly faults: {
      /** Injects faults: `inject(Fault.dial("refuse", { times: 3 }))`. */
      readonly inject: (...faults: ReadonlyArray<Fault>) => Effect.Effect<void>
      /** Removes one fault, the same value that was injected. */
      readonly lift: (fault: Fault) => Effect.Effect<void>
      /** Removes all faults and unmutes all connections. */
      readonly clear: Effect.Effect<void>
      /** Faults that are in effect. */
      readonly standing: Effect.Effect<ReadonlyArray<Fault>>
    }

    /** Totals since the start. */
    readonly counts: Effect.Effect<SimulatorCounts>
    /** Attempts to open a WebSocket connection. */
    readonly dials: Effect.Effect<ReadonlyArray<DialRecord>>
    /** Opened WebSocket connections, with the frames that the client sent. */
    readonly connections: Effect.Effect<ReadonlyArray<ConnectionRecord>>
    /** Started sessions, with their dispatches. */
    readonly sessions: Effect.Effect<ReadonlyArray<SessionRecord>>
    /** REST requests. */
    readonly requests: Effect.Effect<ReadonlyArray<RequestRecord>>
  }
>()("disruption-gateway/simulator/DiscordSimulator") {
  /** Simulator in memory that replaces the network, with options. */
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

  /** Simulator in memory that replaces the network. Every wait is on the `Clock`. */
  static readonly layer: Layer.Layer<DiscordSimulator | WebSocketConstructor | HttpClient> =
    DiscordSimulator.layerWith()

  /**
   * Simulator on a loopback port, for real sockets: `DiscordSimulator.serve({ port: 8080 })`. Clients connect by its
   * `apiUrl`, or its `gatewayUrl`. Fails with `PortUnavailable` if the port is taken.
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
   * Dispatches realistic events for ever, with incidents at random times if asked for:
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
  return new SimulatedDiscord(withDefaults(options, addresses), timers, run.toString(16).padStart(16, "0"))
})

const serviceOf = (discord: SimulatedDiscord): DiscordSimulator["Service"] => {
  const act = (act: Act.Act, target?: SimulatorTarget) =>
    Effect.sync(() => {
      const connections = discord.connectionsOf(target)
      for (const connection of connections) discord.perform(act, connection)
      return connections.length
    })
  const unmute = (target?: SimulatorTarget) =>
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
        for (const event of events) {
          const isAimed = event.guild !== undefined || event.shard !== undefined
          reached += discord.dispatch(event.t, event.d, isAimed ? event : undefined)
        }
        return reached
      }),
    joinGuilds: (count) => Effect.sync(() => discord.joinGuilds(count)),
    guilds: Effect.sync(() => discord.guilds.all()),
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
