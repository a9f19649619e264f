/**
 * Plays the scenario of one seed on a `TestClock`, and has it judged. The same seed gives the same run.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Persistence from "effect/persistence/Persistence"
import * as Cause from "effect/Cause"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as References from "effect/References"
import { TestClock } from "effect/testing"
import { describeShardEvent } from "../../src/schema/ShardEvent.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import type { Fault } from "../../src/simulator/Fault.ts"
import type { SimulatorCounts, SessionRecord } from "../../src/simulator/Observations.ts"
import * as Bot from "./Bot.ts"
import * as Evidence from "./Evidence.ts"
import * as Deafness from "./Deafness.ts"
import { type Deed, isBusy, type Rest } from "./Consumer.ts"
import { type Action, describe, nameOf } from "./FaultSchedule.ts"
import * as ProtocolChecks from "./ProtocolChecks.ts"
import * as Scenario from "./Scenario.ts"
import * as SkewedClock from "./SkewedClock.ts"
import type { StoreHealth } from "./Store.ts"
import * as Verdict from "./Verdict.ts"

/** Result of a seed. */
export interface Outcome {
  readonly seed: number
  /** The row of the table of kills that it is for, if it is for one. */
  readonly row: string | undefined
  /** How many processes were killed, and how many ended in peace. */
  readonly kills: number
  readonly stops: number
  readonly verdict: Verdict.Verdict
  /** How often each fault came to pass, by its name. */
  readonly faults: Readonly<Record<string, number>>
  readonly identifies: number
  /** Sessions that were found to be deaf. */
  readonly foundDeaf: number
  /** IDENTIFYs that came too early, or beyond the day's budget, or though Discord held the session. */
  readonly identifyViolations: number
  /** Whether the client was not ready, with everything delivered, though all had been well for long enough. */
  readonly isStuck: boolean
  readonly virtualMillis: number
  /** Everything that was wrong, in words. Empty if the run has passed. */
  readonly failures: ReadonlyArray<string>
  /** Lines of the trace, if it was asked for. */
  readonly trace: ReadonlyArray<string>
}

const minute = 60_000

/** Real time that a step may take on a busy machine; a clock that does not wait for it gives other runs. */
const busiest = "5 minutes"

/** Within this time after all faults are lifted, the client has to be ready. */
const readyWithin = 15 * minute

/** Runs a seed. */
export const seed = Effect.fnUntraced(function* (
  seed: number,
  options: { readonly trace?: boolean; readonly row?: string | undefined } = {}
): Effect.fn.Return<Outcome> {
  const { row, trace = false } = options
  const scenario = yield* Scenario.ofSeed(seed, row)
  return yield* run(scenario, { trace }).pipe(
    Effect.catchCause((cause) => Effect.succeed(died(seed, Cause.pretty(cause)))),
    Effect.map((outcome) => ({ ...outcome, row }))
  )
})

/** Report on a seed that did not come to its end. */
export const died = (seed: number, reason: string): Outcome => ({
  seed,
  row: undefined,
  kills: 0,
  stops: 0,
  verdict: {
    dispatched: 0,
    delivered: 0,
    lost: 0,
    duplicated: 0,
    outOfOrder: 0,
    redelivered: 0,
    untold: 0,
    gone: 0,
    findings: []
  },
  faults: {},
  identifies: 0,
  foundDeaf: 0,
  identifyViolations: 0,
  isStuck: true,
  virtualMillis: 0,
  failures: [`the run did not come to its end: ${reason}`],
  trace: []
})

/** Runs a scenario. */
export const run = (scenario: Scenario.Scenario, options: { readonly trace: boolean }): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    const testClock = yield* TestClock.testClockWith(Effect.succeed)
    const clock = SkewedClock.make(testClock)
    const trace: Array<string> = []
    const complaints: Array<string> = []
    const tell = (line: () => string) => {
      if (options.trace) trace.push(`${String(testClock.currentTimeMillisUnsafe()).padStart(9)} ${line()}`)
    }
    const sessions = scenario.store.durable
      ? SessionStore.layerPersisted.pipe(Layer.provide(Persistence.layerBackingMemory))
      : SessionStore.layerMemory

    return yield* play(scenario, { testClock, clock, tell, complaints }).pipe(
      Effect.map((outcome): Outcome => ({ ...outcome, trace })),
      Effect.provide(
        Layer.mergeAll(DiscordSimulator.layerWith({ ...scenario.discord, token: Scenario.token }), sessions).pipe(
          Layer.provideMerge(listeningFor(complaints))
        )
      ),
      Effect.provideService(References.MinimumLogLevel, "All"),
      Effect.provideService(Clock.Clock, clock)
    )
  }).pipe(
    Effect.scoped,
    Effect.provide(TestClock.layer({ warningDelay: busiest })),
    Random.withSeed(`run ${scenario.seed}`)
  )

/** Nothing is printed, but the token must not be in a log, and no callback must throw. */
const listeningFor = (complaints: Array<string>) =>
  Logger.layer([
    Logger.make(({ cause, logLevel, message }) => {
      const text = String(message)
      if (text.includes(Scenario.token)) complaints.push(`the token is in the log: ${logLevel}`)
      if (cause.reasons.some((reason) => reason._tag === "Die")) complaints.push(`a defect is in the log: ${text}`)
    })
  ])

// ---------------------------------------------------------------------------------------------------------------------
// One run
// ---------------------------------------------------------------------------------------------------------------------

interface Stage {
  readonly testClock: TestClock.TestClock
  readonly clock: SkewedClock.SkewedClock
  readonly tell: (line: () => string) => void
  readonly complaints: Array<string>
}

const play = Effect.fnUntraced(function* (scenario: Scenario.Scenario, { clock, complaints, tell, testClock }: Stage) {
  const simulator = yield* DiscordSimulator
  const run = yield* Effect.context<never>()
  const rest: Rest = { until: 0, over: false }
  const health: StoreHealth = { writes: undefined, reads: undefined }
  const bots: Array<Bot.Bot> = []
  /** Up to which sequence Discord held the sessions that were given up without need; 0 if it could not be helped. */
  const givenUp = new Map<string, number>()
  const deafened: Array<Deafness.Deafened> = []
  const starts: Array<number> = []
  let needlessIdentifies = 0
  const faults: Record<string, number> = {}
  const onFault = (name: string) => {
    faults[name] = (faults[name] ?? 0) + 1
  }
  let slept = false
  let next = 0

  const shardOfSession = new Map<string, number>()
  const readSessions = (): ReadonlyArray<SessionRecord> => Effect.runSyncWith(run)(simulator.sessions)
  const shardOf = (sessionId: string) => {
    if (!shardOfSession.has(sessionId)) for (const { id, shard } of readSessions()) shardOfSession.set(id, shard[0])
    return shardOfSession.get(sessionId)
  }

  /** A client that identifies while Discord holds a session of the shard gives that session up. */
  const onIdentify = (shard: number) => {
    tell(() => `the client identifies shard ${shard}`)
    for (const session of readSessions()) {
      if (session.shard[0] !== shard || !session.alive || givenUp.has(session.id)) continue
      const isExcused = Evidence.isExcusedFor(
        session.id,
        bots.map(({ record }) => record),
        scenario
      )
      givenUp.set(session.id, isExcused ? 0 : session.sequence)
      if (isExcused) continue
      needlessIdentifies++
      tell(() => `though Discord holds session ${session.id} at ${session.sequence}`)
      complaints.push(`shard ${shard} identified though Discord held session ${session.id} at ${session.sequence}`)
    }
  }

  const start = Effect.gen(function* () {
    tell(() => `process ${bots.length + 1} starts`)
    starts.push(clock.currentTimeMillisUnsafe())
    bots.push(
      yield* Bot.start({
        scenario,
        rest,
        health,
        watchers: { onIdentify, shardOf },
        onEvent: (event) => {
          tell(() => `shard ${event.shard}: ${describeShardEvent(event)}`)
          if (JSON.stringify(event).includes(Scenario.token)) complaints.push(`the token is in a ${event._tag}`)
        }
      })
    )
  })
  const current = (): Bot.Bot | undefined => bots.at(-1)
  const advance = (millis: number) => testClock.adjust(millis)

  /** Starts the client again, so late that its first IDENTIFY is not too early: it does not know of the last one. */
  const startAgain = Effect.fnUntraced(function* (down: number) {
    const identified = bots.flatMap(({ record }) => record.wire.identifies.map(({ at }) => at)).at(-1) ?? -Infinity
    yield* advance(Math.max(down, identified + 5000 - clock.currentTimeMillisUnsafe()))
    yield* start
  })
  const stop = Effect.fnUntraced(function* (bot: Bot.Bot) {
    const stopping = yield* Effect.forkChild(bot.stop)
    for (let left = 400; left > 0 && stopping.pollUnsafe() === undefined; left--) yield* advance(50)
    if (stopping.pollUnsafe() === undefined) complaints.push("the client does not stop")
    yield* Fiber.interrupt(stopping)
  })
  const reviveIfFailed = Effect.gen(function* () {
    const bot = current()
    if (bot?.record.end === "crashed") {
      tell(() => `process ${bots.length} was killed`)
      onFault("CrashAt")
      yield* bot.kill
      yield* startAgain(100 + ((bots.length * 7919) % 20_000))
      return
    }
    if (bot?.record.exit === undefined) return
    tell(() => `process ${bots.length} has failed`)
    yield* stop(bot)
    yield* startAgain(10_000)
  })

  const perform = Effect.fnUntraced(function* (action: Action) {
    tell(() => `-- ${describe(action)}`)
    switch (action._tag) {
      case "Dispatch": {
        const pad = "x".repeat(action.bytes)
        const events = Array.from({ length: action.count }, () => {
          next++
          const t = next % 3 === 0 ? "TYPING_START" : "MESSAGE_CREATE"
          const d = action.bytes === 0 ? { n: next } : { n: next, pad }
          // Some are of no guild.
          if (next % 11 === 0) return { t, d, shard: action.shard ?? 0 }
          const { shards } = scenario
          const guild = (next % 5) * shards + (action.shard ?? (next * 7919) % shards)
          const id = String(BigInt(guild) << 22n)
          return { t, d: { ...d, guild_id: id }, guild: id }
        })
        yield* simulator.dispatchAll(events)
        return
      }
      case "Send": {
        for (let left = action.count; left > 0; left--) yield* current()?.send(++next, action.shard) ?? Effect.void
        return
      }
      case "Act": {
        if (action.act._tag === "Deafen") {
          for (const { end, id, sessionId, shard } of yield* simulator.connections) {
            if (end !== undefined || sessionId === undefined || shard === undefined || shard !== action.shard) continue
            // READY names no guild here: a session that went deaf right after it has none that could be asked.
            const { dispatched = [] } = readSessions().find(({ id }) => id === sessionId) ?? {}
            const hasGuild = dispatched.some(
              ({ d, t }) => t === "MESSAGE_CREATE" && Predicate.hasProperty(d, "guild_id")
            )
            deafened.push({ at: clock.currentTimeMillisUnsafe(), connection: id, shard, hasGuild })
          }
        }
        for (let left = action.times; left > 0; left--) {
          const met = yield* simulator.act(action.act, action.shard === undefined ? undefined : { shard: action.shard })
          if (met > 0 && left === action.times) onFault(action.act._tag)
        }
        return
      }
      case "Inject": {
        const before = yield* simulator.counts
        yield* simulator.faults.inject(...action.faults)
        yield* Effect.gen(function* () {
          yield* Effect.sleep(action.duration)
          const standing = yield* simulator.faults.standing
          const after = yield* simulator.counts
          const isMet = (fault: Fault) =>
            !standing.includes(fault) ||
            (fault.times === undefined && after[countOf[fault.at]] > before[countOf[fault.at]])
          const met = action.faults.find(isMet)
          if (met !== undefined) onFault(nameOf(met))
          yield* Effect.forEach(action.faults, simulator.faults.lift, { discard: true })
        }).pipe(Effect.forkScoped)
        return
      }
      case "Repeat": {
        // Of two sessions of a shard, one is on a connection that the client has left.
        const connected = (yield* simulator.sessions).filter(
          (session, _, all) =>
            session.connected &&
            all.every((other) => other === session || !other.connected || other.shard[0] !== session.shard[0])
        )
        for (const { dispatched, shard } of connected) {
          for (const dispatch of dispatched.slice(-action.count)) {
            // READY and RESUMED begin something, they are not repeated.
            if (Evidence.numberOf(dispatch.d) === undefined) continue
            yield* simulator.sendRaw(JSON.stringify(dispatch), { shard: shard[0] })
          }
        }
        if (connected.length > 0) onFault(action._tag)
        return
      }
      case "ExpireSessions":
        if ((yield* simulator.endSessions()) > 0) onFault(action._tag)
        return
      case "Unmute":
        yield* simulator.unmute()
        return
      case "Sleep":
        clock.jump(action.millis)
        slept = true
        onFault(action._tag)
        return
      case "Pause":
        rest.until = clock.currentTimeMillisUnsafe() + action.millis
        return
      case "Leave":
        yield* current()?.leave(action.millis) ?? Effect.void
        return
      case "CrashAt":
        current()?.killAt(action.moment)
        return
      case "StoreWrites":
      case "StoreReads": {
        onFault(action._tag)
        const end = Effect.sync(() => {
          if (action._tag === "StoreWrites") health.writes = undefined
          else health.reads = undefined
        })
        if (action._tag === "StoreWrites") health.writes = action.trouble
        else health.reads = action.trouble
        yield* Effect.forkScoped(Effect.delay(end, action.duration))
        return
      }
      case "Restart":
        // It may not have come so far that it has shards.
        yield* Effect.forkScoped(Effect.ignore(current()?.gateway.restart(action.shard) ?? Effect.void))
        return
      case "AskForMembers": {
        const guild = String(BigInt(action.guild) << 22n)
        for (let left = action.times; left > 0; left--) {
          yield* current()?.askForMembers(++next, guild) ?? Effect.void
        }
        return
      }
      case "Crash": {
        onFault(action._tag)
        const bot = current()
        if (bot !== undefined) yield* bot.kill
        yield* startAgain(action.down)
        return
      }
      case "Stop": {
        onFault(action._tag)
        const bot = current()
        if (bot !== undefined) yield* stop(bot)
        yield* startAgain(action.down)
        return
      }
    }
  })

  /** Whether everything is well: dispatches one more event to everyone, and looks who got it. */
  const isWell = Effect.gen(function* () {
    const bot = current()
    if (bot === undefined || bot.record.exit !== undefined) return false
    const shards = yield* bot.gateway.shards
    if (shards.some(({ state }) => state !== "ready")) return false
    if ([...bot.record.sends.values()].includes("waiting")) return false
    const last = ++next
    yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n: last } }])
    yield* advance(2000)
    const { consumer, second } = bot.record
    if (isBusy(consumer) || (second !== undefined && isBusy(second))) return false
    if ([...bot.record.requests.values()].includes("waiting")) return false
    const got = consumer.log.slice(-200).filter(({ delivered, did }) => did === "finish" && delivered.n === last)
    return got.length === scenario.shards
  })

  // The schedule.
  yield* start
  for (const { after, action } of scenario.steps) {
    yield* advance(after)
    yield* reviveIfFailed
    yield* perform(action)
  }

  // All is well again.
  tell(() => "-- all faults are over")
  yield* advance(1000)
  rest.over = true
  current()?.killAt(undefined)
  health.writes = undefined
  health.reads = undefined
  yield* simulator.faults.clear
  const { resetAfter = 0 } = scenario.discord.sessionStartLimit ?? {}
  const deadline =
    testClock.currentTimeMillisUnsafe() + readyWithin + Duration.toMillis(Duration.fromInputUnsafe(resetAfter))
  let isStuck = true
  while (isStuck && testClock.currentTimeMillisUnsafe() < deadline) {
    yield* advance(10_000)
    yield* reviveIfFailed
    isStuck = !(yield* isWell)
  }

  // Payloads in flight arrive. A consumer that stores each payload before the next is longer about it.
  const handled = () => (current()?.record.consumer.log.length ?? 0) + (current()?.record.second?.log.length ?? 0)
  for (let [left, before] = [60, -1]; left > 0 && before !== handled(); left--) {
    before = handled()
    yield* advance(2000)
  }

  const counts = yield* simulator.counts
  const records = bots.map(({ record }) => record)
  const verdict = Verdict.judge(
    Evidence.gather({ sessions: yield* simulator.sessions, bots: records, givenUp, scenario })
  )
  const breaches = records.flatMap((record) => ProtocolChecks.judge(record, scenario, slept))
  tell(() => `wire: ${JSON.stringify(records.map(({ wire }) => wire))}`)
  tell(() => `second: ${JSON.stringify(records.map(({ second }) => second?.log.map(describeDeed)))}`)
  tell(() => `consumer: ${JSON.stringify(records.map(({ consumer }) => consumer.log.map(describeDeed)))}`)

  const events = records.flatMap(({ events }) => events)
  const deafness = Deafness.judge({ deafened, connections: yield* simulator.connections, events, starts })

  const tooEarly = Evidence.countTooEarly(records, scenario.discord.maxConcurrency ?? 1)
  return {
    seed: scenario.seed,
    row: undefined,
    kills: records.filter(({ end }) => end === "crashed").length,
    stops: records.filter(({ end }) => end === "stopped").length,
    verdict,
    faults,
    identifies: counts.identifies,
    foundDeaf: Deafness.verdictsIn(events).length,
    identifyViolations: tooEarly + counts.overruns + needlessIdentifies,
    isStuck,
    virtualMillis: testClock.currentTimeMillisUnsafe(),
    failures: [
      ...verdict.findings,
      ...(tooEarly > 0 ? [`${tooEarly} IDENTIFYs came too early`] : []),
      ...(counts.overruns > 0 ? ["the day's budget was overrun"] : []),
      ...(isStuck ? ["the client is stuck"] : []),
      ...ProtocolChecks.judgeResumes(records.map(({ wire }) => wire)),
      ...ProtocolChecks.judgeSetAside(records, scenario.program.poison),
      ...breaches,
      ...deafness,
      ...complaints
    ]
  }
})

/** `+0:2a:7` has begun with sequence 7 of a session of shard 0, `-0:2a:7` has handled it. */
const describeDeed = ({ delivered: { s, session, shard }, did }: Deed): string =>
  `${did === "begin" ? "+" : "-"}${shard}:${session.slice(-2)}:${s}`

const countOf: Record<Fault["at"], keyof SimulatorCounts> = {
  http: "httpRequests",
  dial: "dials",
  hello: "connections",
  heartbeat: "heartbeats",
  identify: "identifies",
  resume: "resumes"
}
