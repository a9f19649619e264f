/**
 * Plays the scenario of a cluster on a `TestClock`, and judges it. The same seed gives the same run.
 *
 * Held against it: an event is lost; two machines handle an event, or a shard's, at the same time, or one does whose shard another
 * has taken; an IDENTIFY comes too early, or though the stored session could have been resumed; not all is ready in time.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { HttpClient } from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Persistence from "effect/persistence/Persistence"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as References from "effect/References"
import { WebSocketConstructor } from "effect/socket/Socket"
import { TestClock } from "effect/testing"
import { intervals } from "../../../src/cluster/ClusterTiming.ts"
import type { Payload } from "../../../src/schema/Payload.ts"
import { GatewayConfig } from "../../../src/services/GatewayConfig.ts"
import { GatewayDirectory } from "../../../src/services/GatewayDirectory.ts"
import { IdentifyLimiter } from "../../../src/services/IdentifyLimiter.ts"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import * as ClusterScenario from "./ClusterScenario.ts"
import type { Defect } from "./Defect.ts"
import * as Machine from "./Machine.ts"
import { SimulatedDatabase } from "./SimulatedDatabase.ts"

/** Result of a seed. */
export interface ClusterOutcome {
  readonly seed: number
  readonly dispatched: number
  readonly lost: number
  /** Events that were handled again, by another machine or the same. */
  readonly twice: number
  /** Events that a machine handled though the shard was another's. */
  readonly atOnce: number
  readonly identifies: number
  readonly identifyViolations: number
  readonly isStuck: boolean
  /** Longest time in milliseconds from the last trouble until all was well. */
  readonly recovery: number
  readonly troubles: Readonly<Record<string, number>>
  readonly virtualMillis: number
  readonly failures: ReadonlyArray<string>
  readonly trace: ReadonlyArray<string>
}

const token = "MTAwMDAwMDAwMDAwMDAwMDAwMA.cluster.secret"
const readyWithin = 3 * 60_000
const busiest = "5 minutes"

/** Runs a seed. */
export const seed = Effect.fnUntraced(function* (
  seed: number,
  options: { readonly trace?: boolean; readonly defect?: Defect | undefined } = {}
): Effect.fn.Return<ClusterOutcome> {
  const scenario = yield* ClusterScenario.ofSeed(seed)
  return yield* run(scenario, options).pipe(
    Effect.catchCause((cause) => Effect.succeed(died(seed, Cause.pretty(cause))))
  )
})

/** Report on a seed that did not come to its end. */
export const died = (seed: number, reason: string): ClusterOutcome => ({
  seed,
  dispatched: 0,
  lost: 0,
  twice: 0,
  atOnce: 0,
  identifies: 0,
  identifyViolations: 0,
  isStuck: true,
  recovery: 0,
  troubles: {},
  virtualMillis: 0,
  failures: [`the run did not come to its end: ${reason}`],
  trace: []
})

const run = (
  scenario: ClusterScenario.ClusterScenario,
  { defect, trace = false }: { readonly trace?: boolean; readonly defect?: Defect | undefined }
): Effect.Effect<ClusterOutcome> =>
  play(scenario, defect, trace).pipe(
    Effect.scoped,
    Effect.provide(
      // The limits that machines share, asked over no network of theirs.
      IdentifyLimiter.layerMemory.pipe(
        Layer.provide(GatewayDirectory.layer),
        Layer.provide(Layer.orDie(GatewayConfig.layer({ token, shards: scenario.shards }))),
        Layer.provideMerge(
          DiscordSimulator.layerWith({
            token,
            shards: scenario.shards,
            maxConcurrency: scenario.maxConcurrency,
            forgetsAcknowledged: scenario.forgets,
            sessionTimeout: "10 minutes"
          })
        ),
        Layer.merge(Layer.merge(Persistence.layerBackingMemory, Logger.layer([]))),
        Layer.provideMerge(TestClock.layer({ warningDelay: busiest }))
      )
    ),
    Effect.provideService(References.MinimumLogLevel, "None"),
    Random.withSeed(`cluster run ${scenario.seed}`)
  )

/** A machine at work on an event. */
interface Work {
  readonly machine: string
  readonly shard: number
  readonly isRunning: () => boolean
}

const play = Effect.fnUntraced(function* (
  scenario: ClusterScenario.ClusterScenario,
  defect: Defect | undefined,
  isTraced: boolean
) {
  const testClock = yield* TestClock.testClockWith(Effect.succeed)
  const simulator = yield* DiscordSimulator
  const random = yield* Random.Random
  const context = yield* Effect.context<never>()
  const lines: Array<string> = []
  const failures: Array<string> = []
  const now = () => testClock.currentTimeMillisUnsafe()
  const tell = (line: () => string) => {
    if (isTraced) lines.push(`${String(now()).padStart(9)} ${line()}`)
  }
  const database = new SimulatedDatabase(now, Duration.toMillis(intervals.shardLockExpiration), {
    unfenced: defect === "unfenced",
    foreignClock: defect === "foreign-clock"
  })

  /** How often each event was handled to its end, by its number. */
  const handled = new Map<number, number>()
  const atWork = new Map<object, Work>()
  let atOnce = 0
  let identifyViolations = 0

  const ownerOf = (shard: number): string | undefined => database.takers.get(`${shard}/${scenario.shards}`)
  const judge = (work: Work, what: string) => {
    const owner = ownerOf(work.shard)
    // What a machine had begun with when it was paused, nobody can take from it.
    const others = [...atWork.values()].filter(
      (other) => other.shard === work.shard && other.machine !== work.machine && other.isRunning()
    )
    if (owner === work.machine && others.length === 0) return
    atOnce++
    if (atOnce > 3) return
    failures.push(
      `${now()} ms: ${work.machine} ${what} of shard ${work.shard}, which is ${owner}'s` +
        others.map(({ machine }) => `, while ${machine} is at one`).join("")
    )
  }
  const handle = (machine: string, { d, shard }: Payload, { isAlive, isRunning }: Machine.Vitals) => {
    const n = numberOf(d)
    if (n === undefined) return Effect.void
    return Effect.suspend(() => {
      if (!isAlive()) return Effect.never
      const work = { machine, shard, isRunning }
      judge(work, `begins with event ${n}`)
      const key = {}
      atWork.set(key, work)
      return Effect.sleep(Math.floor(random.nextDoubleUnsafe() * scenario.handling)).pipe(
        Effect.andThen(
          Effect.suspend(() => {
            if (!isAlive()) return Effect.never
            handled.set(n, (handled.get(n) ?? 0) + 1)
            return Effect.void
          })
        ),
        Effect.ensuring(Effect.sync(() => atWork.delete(key)))
      )
    })
  }

  const network = { clock: yield* Clock.Clock, scope: yield* Effect.scope }
  const discord = Context.make(HttpClient, yield* HttpClient).pipe(
    Context.add(WebSocketConstructor, watched(yield* WebSocketConstructor, onFrame))
  )
  /** The sessions that Discord holds, by their ids. */
  const sessionsNow = () => Effect.runSyncWith(context)(simulator.sessions)
  function onFrame(text: string) {
    const frame = identifyOf(text)
    if (frame === undefined) return
    tell(() => `shard ${frame} identifies`)
    const row = `${frame}/${scenario.shards}`
    const stored = database.stored().get(row)
    for (const session of sessionsNow()) {
      if (session.shard[0] !== frame || !session.alive || stored === undefined) continue
      if (!stored.includes(JSON.stringify(session.id))) continue
      identifyViolations++
      failures.push(`${now()} ms: shard ${frame} identifies though its stored session ${session.id} can be resumed`)
    }
  }

  const world: Machine.World = {
    network,
    database,
    backing: yield* Persistence.BackingPersistence,
    limiter: yield* IdentifyLimiter,
    discord,
    token,
    shards: scenario.shards,
    parts: scenario.parts,
    defect,
    handle
  }

  let machines: Array<Machine.Machine> = []
  let started = 0
  const start = Effect.gen(function* () {
    const machine = yield* Machine.start(world, ++started, scenario.latency, scenario.mixed && started % 2 === 0)
    machine.clock.skew = scenario.skews[started % scenario.skews.length] ?? 0
    machines.push(machine)
    tell(() => `${machine.name} starts`)
  })
  const advance = (millis: number) => testClock.adjust(millis)
  const chosen = (index: number) => machines[index % Math.max(1, machines.length)]
  const troubles: Record<string, number> = {}
  const background = (effect: Effect.Effect<unknown>) => Effect.asVoid(Effect.forkIn(effect, network.scope))
  const later = (millis: number, act: () => void) => background(Effect.delay(Effect.sync(act), millis))

  /** Another machine in the place of one that is gone. */
  const replace = (down: number) => background(Effect.delay(start, down))
  const leave = (machine: Machine.Machine) => {
    machines = machines.filter((other) => other !== machine)
    for (const [key, work] of atWork) if (work.machine === machine.name) atWork.delete(key)
  }

  let next = 0
  const dispatch = (count: number) =>
    simulator.dispatchAll(
      Array.from({ length: count }, () => {
        const shard = Math.floor(random.nextDoubleUnsafe() * scenario.shards)
        const guild = String(BigInt((next % 5) * scenario.shards + shard) << 22n)
        return { t: "MESSAGE_CREATE", d: { n: ++next, guild_id: guild }, guild }
      })
    )

  const perform = Effect.fnUntraced(function* (trouble: ClusterScenario.Trouble) {
    tell(() => `-- ${ClusterScenario.describe(trouble)}`)
    troubles[trouble._tag] = (troubles[trouble._tag] ?? 0) + 1
    const machine = "machine" in trouble ? chosen(trouble.machine) : undefined
    switch (trouble._tag) {
      case "Dispatch":
        return yield* Effect.asVoid(dispatch(trouble.count))
      case "Kill":
        if (machine === undefined) return
        leave(machine)
        yield* machine.kill
        return yield* replace(trouble.down)
      case "Stop":
        if (machine === undefined) return
        machines = machines.filter((other) => other !== machine)
        yield* background(
          Effect.ensuring(
            machine.stop,
            Effect.sync(() => leave(machine))
          )
        )
        return yield* replace(trouble.down)
      case "Join":
        return yield* start
      case "Pause":
        if (machine === undefined) return
        machine.pause()
        return yield* later(trouble.millis, machine.resume)
      case "CutFromDatabase":
        if (machine === undefined) return
        machine.link.cut()
        return yield* later(trouble.millis, machine.link.mend)
      case "DatabaseAway": {
        const all = [...machines]
        for (const { link } of all) link.cut()
        return yield* later(trouble.millis, () => all.forEach(({ link }) => link.mend()))
      }
      case "SlowDatabase": {
        const all = [...machines]
        for (const { link } of all) link.latency = trouble.latency
        return yield* later(trouble.millis, () => all.forEach(({ link }) => (link.latency = scenario.latency)))
      }
      case "CutFromDiscord":
        if (machine === undefined) return
        machine.network.cut()
        return yield* later(trouble.millis, () => machine.network.mend())
      case "Skew":
        if (machine !== undefined) machine.clock.skew += trouble.millis
        return
      case "Drop":
        return yield* Effect.asVoid(simulator.drop())
      case "PowerCut": {
        const all = [...machines]
        for (const gone of all) leave(gone)
        yield* Effect.forEach(all, ({ kill }) => kill, { discard: true })
        yield* Effect.forEach(all, () => replace(trouble.down), { discard: true })
      }
    }
  })

  const isWell = Effect.gen(function* () {
    const states = (yield* Effect.forEach(machines, (machine) => machine.states)).flat()
    if (states.length !== scenario.shards || states.some((state) => state !== "ready")) return false
    const before = next
    yield* Effect.forEach(
      Array.from({ length: scenario.shards }, (_, shard) => shard),
      (shard) => simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n: ++next }, shard }])
    )
    yield* advance(2000 + scenario.handling)
    for (let n = before + 1; n <= next; n++) if (!handled.has(n)) return false
    return true
  })

  // It comes up undisturbed: an IDENTIFY whose READY is lost is no fault of the cluster.
  for (let left = scenario.machines; left > 0; left--) yield* start
  const untilWell = Effect.fnUntraced(function* (within: number) {
    const since = now()
    while (now() - since < within) {
      yield* advance(1000)
      if (yield* isWell) return now() - since
    }
    return undefined
  })
  const isUp = (yield* untilWell(readyWithin + 6000 * scenario.shards)) !== undefined
  if (!isUp) failures.push("the cluster did not come up")

  for (const { after, trouble } of scenario.steps) {
    yield* advance(after)
    yield* perform(trouble)
  }
  // What lasts ends, and machines that are down come back.
  yield* advance(60_000)
  const recovered = yield* untilWell(readyWithin)
  if (recovered === undefined) {
    const states = yield* Effect.forEach(machines, ({ name, states }) => Effect.map(states, (of) => `${name} ${of}`))
    failures.push(`not all was ready after ${readyWithin / 1000} s: ${states.join("; ")}`)
  }
  for (const machine of machines) {
    const reason = machine.failure()
    if (reason !== undefined) failures.push(`${machine.name} has failed: ${reason}`)
  }

  const sessions = yield* simulator.sessions
  const counts = yield* simulator.counts
  let dispatched = 0
  let lost = 0
  for (const session of sessions) {
    for (const { d, s } of session.dispatched) {
      const n = numberOf(d)
      if (n === undefined) continue
      dispatched++
      if (!session.alive || handled.has(n)) continue
      lost++
      if (lost <= 3) failures.push(`event ${n} (sequence ${s}, shard ${session.shard[0]}) was lost`)
    }
  }
  if (database.setBack > 0) failures.push(`stored sessions were set back ${database.setBack} times`)
  identifyViolations += counts.identifyViolations + counts.overruns
  if (counts.identifyViolations > 0) failures.push(`${counts.identifyViolations} IDENTIFYs came too early`)

  const stopping = yield* Effect.forkChild(Effect.forEach(machines, ({ stop }) => stop, { concurrency: "unbounded" }))
  for (let left = 100; left > 0 && stopping.pollUnsafe() === undefined; left--) yield* advance(200)
  if (stopping.pollUnsafe() === undefined) failures.push("the machines do not stop")
  yield* Effect.forkDetach(Fiber.interrupt(stopping))

  return {
    seed: scenario.seed,
    dispatched,
    lost,
    twice: [...handled.values()].reduce((sum, times) => sum + times - 1, 0),
    atOnce,
    identifies: counts.identifies,
    identifyViolations,
    isStuck: recovered === undefined || !isUp,
    recovery: recovered ?? 0,
    troubles,
    virtualMillis: now(),
    failures,
    trace: lines
  } satisfies ClusterOutcome
})

const numberOf = (d: unknown): number | undefined =>
  Predicate.hasProperty(d, "n") && typeof d.n === "number" ? d.n : undefined

/** The shard of an IDENTIFY. */
const identifyOf = (text: string): number | undefined => {
  const frame: unknown = JSON.parse(text)
  if (!Predicate.hasProperty(frame, "op") || frame.op !== 2 || !Predicate.hasProperty(frame, "d")) return undefined
  const { d } = frame
  return Predicate.hasProperty(d, "shard") && Array.isArray(d.shard) ? Number(d.shard[0]) : undefined
}

/** Connections of which the frames that are sent are seen. */
const watched =
  (dial: WebSocketConstructor["Service"], onFrame: (text: string) => void): WebSocketConstructor["Service"] =>
  (url, options) => {
    const socket = dial(url, options)
    const send = socket.send.bind(socket)
    socket.send = (data) => {
      if (typeof data === "string") onFrame(data)
      send(data)
    }
    return socket
  }
