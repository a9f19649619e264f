/**
 * One process of the client: a gateway on a network and a store of its own, which can be stopped in peace or killed.
 *
 * Killed, it vanishes at that instant: nothing that it still does reaches the network or the store.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { HttpClient } from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { WebSocketConstructor } from "effect/socket/Socket"
import * as Context from "effect/Context"
import * as Stream from "effect/Stream"
import type { GatewayError } from "../../src/schema/GatewayError.ts"
import { SendEvent } from "../../src/schema/SendEvent.ts"
import type { ShardEvent } from "../../src/schema/ShardEvent.ts"
import { Gateway } from "../../src/gateway/Gateway.ts"
import { GatewayConfig } from "../../src/services/GatewayConfig.ts"
import { GatewayDirectory } from "../../src/services/GatewayDirectory.ts"
import { Heartbeat } from "../../src/services/Heartbeat.ts"
import { IdentifyLimiter } from "../../src/services/IdentifyLimiter.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import * as Consumer from "./Consumer.ts"
import type { Moment } from "./FaultSchedule.ts"
import * as Origins from "./Origins.ts"
import type { Program } from "./Program.ts"
import { type Scenario, type ConsumerSpeed, token } from "./Scenario.ts"
import * as Store from "./Store.ts"
import * as Wire from "./Wire.ts"

/** How a process came to its end. `failed`: its stream failed, with what nobody but a person can mend. */
export type BotEnd = "running" | "stopped" | "crashed" | "failed"

/** Record of a process. */
export interface BotRecord {
  readonly startedAt: number
  endedAt: number | undefined
  end: BotEnd
  /** Whether, at its end, its consumers had handled all that they were given, and the store knew. */
  wasIdle: boolean
  readonly wire: Wire.WireRecord
  readonly store: Store.StoreRecord
  readonly events: Array<ShardEvent>
  readonly consumer: Consumer.ConsumerRecord
  readonly second: Consumer.ConsumerRecord | undefined
  /** Sends of the program, by number, with their results. */
  readonly sends: Map<number, "waiting" | "sent" | "failed">
  /** Results of its requests for members, by number. */
  readonly requests: Map<number, "waiting" | "answered" | "failed">
  /** How its stream ended, if it did. */
  exit: Exit.Exit<void, GatewayError> | undefined
}

/** A running process. */
export interface Bot {
  readonly record: BotRecord
  readonly gateway: Gateway["Service"]
  /** Ends the program. It takes a moment. */
  readonly stop: Effect.Effect<void>
  /** SIGKILL. */
  readonly kill: Effect.Effect<void>
  /** Kills it when it comes to this. */
  readonly killAt: (moment: Moment | undefined) => void
  /** Sends something that bears this number. */
  readonly send: (n: number, shard: number) => Effect.Effect<void>
  /** Asks for the members of a guild. */
  readonly askForMembers: (n: number, guild: string) => Effect.Effect<void>
  /** The consumer unsubscribes, and subscribes again after so many milliseconds. */
  readonly leave: (millis: number) => Effect.Effect<void>
}

/** After this time nobody waits any more for the one who has left. */
const grace = 61_000

/** Starts a process, in a scope of its own. */
export const start = Effect.fnUntraced(function* (options: {
  readonly scenario: Scenario
  readonly rest: Consumer.Rest
  readonly health: Store.StoreHealth
  readonly watchers: Omit<Wire.Watchers, "onSend">
  readonly onEvent: (event: ShardEvent) => void
}) {
  const { health, rest, scenario } = options
  let killed = false
  let killAt: Moment | undefined
  const isDead = () => killed
  const reach = (moment: Moment) => {
    if (moment === killAt) vanish()
  }
  const wire = yield* Wire.make({ ...options.watchers, onSend: reach })
  const scope = yield* Scope.make()
  const clock = yield* Clock.Clock
  const origins = Origins.make()

  const record: BotRecord = {
    startedAt: clock.currentTimeMillisUnsafe(),
    endedAt: undefined,
    end: "running",
    wasIdle: false,
    wire: wire.record,
    store: Store.newRecord(),
    events: [],
    consumer: Consumer.newRecord(),
    second: scenario.second === undefined ? undefined : Consumer.newRecord(),
    sends: new Map(),
    requests: new Map(),
    exit: undefined
  }

  const isIdle = ({ consumer, second, store }: BotRecord) => {
    const hasJustLeft = second !== undefined && clock.currentTimeMillisUnsafe() - consumer.leftAt < grace
    const isAtWork = Consumer.isBusy(consumer) || (second !== undefined && Consumer.isBusy(second))
    return !isAtWork && !hasJustLeft && !store.isBehind && health.writes === undefined
  }
  const end = (how: BotEnd) => {
    record.end = how
    record.endedAt = clock.currentTimeMillisUnsafe()
    record.wasIdle = isIdle(record)
  }
  const settle = <A>(all: Map<number, A>, n: number, state: A) =>
    Effect.sync(() => {
      if (!killed) all.set(n, state)
    })
  const vanish = () => {
    if (killed) return
    end("crashed")
    killed = true
    wire.kill()
  }

  const store = yield* Store.make({ scenario, health, record: record.store, isDead, onWrite: reach })
  const services = Layer.mergeAll(
    Layer.succeed(WebSocketConstructor, wire.construct),
    Layer.succeed(HttpClient, wire.http),
    Layer.succeed(SessionStore, store),
    GatewayConfig.layer({ ...scenario.client, token })
  )
  const context = yield* Layer.buildWithScope(
    Gateway.layerNoDeps.pipe(
      Layer.provide([origins.layer, Heartbeat.layer, IdentifyLimiter.layerMemory]),
      Layer.provide(GatewayDirectory.layer),
      Layer.provide(services)
    ),
    scope
  ).pipe(Effect.orDie)
  const gateway = Context.get(context, Gateway)

  const consume = (program: Program, speed: ConsumerSpeed, consumer: Consumer.ConsumerRecord) =>
    Consumer.run({
      gateway,
      program,
      speed,
      rest,
      record: consumer,
      sessionOf: origins.sessionOf,
      isDead,
      hasOther: record.second !== undefined,
      // One that subscribes meanwhile would take over what the one that failed has in hand.
      mayFail: () => record.second === undefined || record.second.subscribedAt !== undefined,
      onPoison: vanish,
      onHandler: reach
    })
  const subscribe = (after: number) =>
    Effect.suspend(() => consume(scenario.program, scenario.consumer, record.consumer)).pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => {
          if (!isInterrupted(exit) && record.end === "running") record.exit = exit
        })
      ),
      Effect.exit,
      Effect.delay(after)
    )

  yield* Effect.forkIn(
    Stream.runForEach(gateway.changes, (event) =>
      Effect.sync(() => {
        if (killed) return
        record.events.push(event)
        options.onEvent(event)
      })
    ),
    scope
  )
  let consumer: Fiber.Fiber<unknown> = yield* Effect.forkIn(subscribe(scenario.subscribesAfter), scope)
  if (scenario.second !== undefined && record.second !== undefined) {
    const { after, program, speed } = scenario.second
    // It subscribes late, to whatever session there is then.
    yield* consume(program, speed, record.second).pipe(Effect.exit, Effect.delay(after), Effect.forkIn(scope))
  }

  return {
    record,
    gateway,
    stop: Effect.andThen(
      Effect.sync(() => end(record.exit === undefined ? "stopped" : "failed")),
      Scope.close(scope, Exit.void)
    ),
    // The rest of the shutdown may take its time; nobody waits for it.
    kill: Effect.suspend(() => {
      vanish()
      return Effect.asVoid(Effect.forkDetach(Scope.close(scope, Exit.void), { startImmediately: true }))
    }),
    killAt: (moment) => {
      killAt = moment
    },
    send: (n, shard) => {
      record.sends.set(n, "waiting")
      const voice = { guild_id: "1", channel_id: String(n), self_mute: false, self_deaf: false }
      if (killed) return Effect.void
      return gateway.send(SendEvent.updateVoiceState(voice), { shard }).pipe(
        Effect.matchEffect({
          onSuccess: () => settle(record.sends, n, "sent"),
          onFailure: () => settle(record.sends, n, "failed")
        }),
        Effect.forkIn(scope),
        Effect.asVoid
      )
    },
    askForMembers: (n, guild) => {
      record.requests.set(n, "waiting")
      return Stream.runDrain(gateway.requestGuildMembers({ guild_id: guild, query: "", limit: 0 })).pipe(
        Effect.matchEffect({
          onSuccess: () => settle(record.requests, n, "answered"),
          onFailure: () => settle(record.requests, n, "failed")
        }),
        Effect.forkIn(scope),
        Effect.asVoid
      )
    },
    leave: Effect.fnUntraced(function* (millis) {
      const leaving = consumer
      consumer = yield* Fiber.interrupt(leaving).pipe(
        Effect.uninterruptible,
        Effect.andThen(subscribe(millis)),
        Effect.forkIn(scope)
      )
    })
  } satisfies Bot
})

const isInterrupted = (exit: Exit.Exit<unknown, unknown>): boolean => Exit.hasInterrupts(exit)
