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
import { GatewayConnection } from "../../src/services/GatewayConnection.ts"
import { GatewayDirectory } from "../../src/services/GatewayDirectory.ts"
import { Heartbeat } from "../../src/services/Heartbeat.ts"
import { IdentifyLimiter } from "../../src/services/IdentifyLimiter.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import * as Consumer from "./Consumer.ts"
import { type Scenario, type ConsumerSpeed, token } from "./Scenario.ts"
import * as Wire from "./Wire.ts"

/** How a process came to its end. `failed`: its stream failed, with what nobody but a person can mend. */
export type BotEnd = "running" | "stopped" | "crashed" | "failed"

/** What a process did. */
export interface BotRecord {
  readonly startedAt: number
  endedAt: number | undefined
  end: BotEnd
  /** Whether, at its end, its consumers had finished with all that they were given. */
  wasIdle: boolean
  readonly wire: Wire.WireRecord
  readonly events: Array<ShardEvent>
  readonly consumer: Consumer.ConsumerRecord
  readonly second: Consumer.ConsumerRecord | undefined
  /** What the program asked to send, by number, and what became of it. */
  readonly sends: Map<number, "waiting" | "sent" | "failed">
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
  /** Sends something that bears this number. */
  readonly send: (n: number, shard: number) => Effect.Effect<void>
  /** The consumer unsubscribes, and subscribes again after so many milliseconds. */
  readonly leave: (millis: number) => Effect.Effect<void>
}

/** Starts a process, in a scope of its own. */
export const start = Effect.fnUntraced(function* (options: {
  readonly scenario: Scenario
  readonly rest: Consumer.Rest
  readonly watchers: Wire.Watchers
  readonly onEvent: (event: ShardEvent) => void
}) {
  const { rest, scenario } = options
  const wire = yield* Wire.make(options.watchers)
  const store = yield* SessionStore
  let killed = false
  const scope = yield* Scope.make()
  const clock = yield* Clock.Clock

  const record: BotRecord = {
    startedAt: clock.currentTimeMillisUnsafe(),
    endedAt: undefined,
    end: "running",
    wasIdle: false,
    wire: wire.record,
    events: [],
    consumer: Consumer.newRecord(),
    second: scenario.second === undefined ? undefined : Consumer.newRecord(),
    sends: new Map(),
    exit: undefined
  }

  const unlessKilled = <E>(effect: Effect.Effect<void, E>) => Effect.suspend(() => (killed ? Effect.void : effect))
  const written = <E>(write: Effect.Effect<void, E>) =>
    Effect.andThen(unlessKilled(Effect.sleep(scenario.store.latency)), unlessKilled(write))
  const services = Layer.mergeAll(
    Layer.succeed(WebSocketConstructor, wire.construct),
    Layer.succeed(HttpClient, wire.http),
    Layer.succeed(SessionStore, {
      ...store,
      set: (session) => written(store.set(session)),
      remove: (shard) => written(store.remove(shard))
    }),
    GatewayConfig.layer({ ...scenario.client, token })
  )
  const context = yield* Layer.buildWithScope(
    Gateway.layer.pipe(
      Layer.provide([GatewayConnection.layer, Heartbeat.layer, IdentifyLimiter.layerMemory]),
      Layer.provide(GatewayDirectory.layer),
      Layer.provide(services)
    ),
    scope
  ).pipe(Effect.orDie)
  const gateway = Context.get(context, Gateway)

  const firstResumed = (shard: number) =>
    wire.record.resumes.find(({ sessionId }) => options.watchers.shardOf(sessionId) === shard)?.sessionId
  const consume = (
    temper: ConsumerSpeed,
    consumer: Consumer.ConsumerRecord,
    resumed: (shard: number) => string | undefined
  ) =>
    Consumer.run({
      payloads: gateway.payloads,
      temper,
      rest,
      record: consumer,
      resumed
    })
  const subscribe = (after: number) =>
    consume(scenario.consumer, record.consumer, firstResumed).pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => {
          if (!isInterrupted(exit) && record.end === "running") record.exit = exit
        })
      ),
      Effect.exit,
      Effect.delay(after),
      Effect.forkIn(scope)
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
  let consumer = yield* subscribe(scenario.subscribesAfter)
  if (scenario.second !== undefined && record.second !== undefined) {
    const { after, temper } = scenario.second
    // It subscribes late, to whatever session there is then.
    yield* consume(temper, record.second, () => undefined).pipe(Effect.exit, Effect.delay(after), Effect.forkIn(scope))
  }

  const end = (how: BotEnd) =>
    Effect.sync(() => {
      record.end = how
      record.endedAt = clock.currentTimeMillisUnsafe()
      record.wasIdle = !record.consumer.isBusy && record.second?.isBusy !== true
    })

  return {
    record,
    gateway,
    stop: Effect.andThen(
      Effect.suspend(() => end(record.exit === undefined ? "stopped" : "failed")),
      Scope.close(scope, Exit.void)
    ),
    kill: Effect.gen(function* () {
      yield* end("crashed")
      killed = true
      wire.kill()
      yield* Scope.close(scope, Exit.void)
    }),
    send: (n, shard) => {
      record.sends.set(n, "waiting")
      const voice = { guild_id: "1", channel_id: String(n), self_mute: false, self_deaf: false }
      return gateway.send(SendEvent.updateVoiceState(voice), { shard }).pipe(
        Effect.matchEffect({
          onSuccess: () => Effect.sync(() => record.sends.set(n, "sent")),
          onFailure: () => Effect.sync(() => record.sends.set(n, "failed"))
        }),
        Effect.forkIn(scope),
        Effect.asVoid
      )
    },
    leave: Effect.fnUntraced(function* (millis) {
      yield* Fiber.interrupt(consumer)
      // What it was given and has not finished with is not given to the next one: that is what leaving means.
      record.consumer.processed = record.consumer.handed.length
      consumer = yield* subscribe(millis)
    })
  } satisfies Bot
})

const isInterrupted = (exit: Exit.Exit<unknown, unknown>): boolean => Exit.hasInterrupts(exit)
