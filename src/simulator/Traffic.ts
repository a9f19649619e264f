/**
 * Sample traffic for demonstrations and endurance tests: the events of a busy bot, and random incidents.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Act from "./Act.ts"
import * as Fault from "./Fault.ts"
import type { SimulatorTarget } from "./SimulatedDiscord.ts"
import { snowflake } from "./Snowflakes.ts"
import { randomEvents } from "./TrafficEvents.ts"
import { TrafficHistory } from "./TrafficHistory.ts"

/**
 * Options of sample traffic.
 *
 * @since 0.1.0
 * @category models
 */
export interface TrafficOptions {
  /** Events per second, over all shards. Default: 10. */
  readonly perSecond?: number
  /** Number of guilds with events. Default: 10. */
  readonly guilds?: number
  /** Average time between incidents: lost connections, op 7, missing acknowledgements. Default: no incidents. */
  readonly incidents?: Duration.Input
}

/** Simulator, reduced to the parts that traffic uses. */
export interface TrafficTarget {
  readonly dispatch: (name: string, d: unknown, target?: SimulatorTarget) => Effect.Effect<number>
  readonly act: (act: Act.Act, target?: SimulatorTarget) => Effect.Effect<number>
  readonly faults: { readonly inject: (...faults: ReadonlyArray<Fault.Fault>) => Effect.Effect<void> }
}

/** Dispatches events, and causes incidents, for ever. */
export const run = (simulator: TrafficTarget, options: TrafficOptions = {}): Effect.Effect<never> => {
  const events = dispatchForEver(simulator, options.perSecond ?? 10, options.guilds ?? 10)
  return options.incidents === undefined
    ? events
    : Effect.raceFirst(events, haveIncidents(simulator, Duration.fromInputUnsafe(options.incidents)))
}

const dispatchForEver = Effect.fnUntraced(function* (simulator: TrafficTarget, perSecond: number, guilds: number) {
  const random = yield* Random.Random
  const interval = Duration.millis(Math.max(50, 1000 / perSecond))
  let owed = 0
  let last = yield* Clock.currentTimeMillis
  let serial = 0
  const history = new TrafficHistory()
  const below = (limit: number) => Math.floor(random.nextDoubleUnsafe() * limit)
  while (true) {
    yield* Effect.sleep(interval)
    const now = yield* Clock.currentTimeMillis
    // At most one second is caught up, so that a computer that was asleep does not send an hour of events.
    owed += (Math.min(now - last, 1000) * perSecond) / 1000
    last = now
    while (owed >= 1) {
      const guildIndex = below(guilds)
      const scene = { now, serial, below, guildIndex, history: history.of(guildIndex) }
      for (const { d, t } of randomEvents(scene)) {
        yield* simulator.dispatch(t, d, { guild: snowflake(guildIndex) })
        owed -= 1
      }
      serial += 1
    }
  }
})

interface Incident {
  readonly what: string
  readonly happen: (simulator: TrafficTarget) => Effect.Effect<unknown>
}

const incidents: NonEmptyReadonlyArray<Incident> = [
  { what: "all connections were lost", happen: ({ act }) => act(Act.drop) },
  { what: "Discord asks to reconnect (op 7)", happen: ({ act }) => act(Act.reconnect) },
  { what: "Discord closed all connections with 4000", happen: ({ act }) => act(Act.close(4000, "Unknown error.")) },
  {
    what: "sessions are not valid for the moment (op 9, resumable)",
    happen: ({ act }) => act(Act.invalidSession(true))
  },
  {
    what: "connections were lost, and the next two dials are refused",
    happen: ({ act, faults }) => Effect.andThen(faults.inject(Fault.dial("refuse", { times: 2 })), act(Act.drop))
  },
  {
    what: "the next heartbeat is not acknowledged",
    happen: ({ faults }) => faults.inject(Fault.heartbeat(Fault.nothing, { times: 1 }))
  }
]

const haveIncidents = Effect.fnUntraced(function* (simulator: TrafficTarget, average: Duration.Duration) {
  while (true) {
    // Jitter of ±50%: a demonstration shows one soon, and never two at once.
    yield* Effect.sleep(Duration.times(average, yield* Random.nextBetween(0.5, 1.5)))
    const { happen, what } = yield* Random.choice(incidents)
    yield* Effect.logInfo(`Incident: ${what}`)
    yield* happen(simulator)
  }
})
