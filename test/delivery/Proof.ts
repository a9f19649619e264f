/**
 * The proof of one way of taking events: a program is killed again and again while Discord dispatches without pause, and
 * what it wrote down is compared with what was dispatched.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { GatewayOpcode } from "../../src/schema/GatewayOpcode.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import type { ConnectionRecord } from "../../src/simulator/Observations.ts"
import { until, untilTrue } from "../support/Patience.ts"
import * as Process from "../support/Process.ts"
import { fromLines, type Kind, type KindName, kinds, type Taken, workOf } from "./Kinds.ts"

/** Result of a run, by events. */
export interface Verdict {
  readonly kind: KindName
  readonly events: number
  /** Events that are in no record, for each subscriber that should have had them. */
  readonly lost: number
  /** How often an event was recorded once more. */
  readonly redelivered: number
  /** How many of these were not told to be perhaps redelivered. */
  readonly untold: number
  /** How often a handler recorded an event after a later one of the same guild, in one process. */
  readonly outOfOrder: number
  readonly resumes: number
  /** RESUMEs whose sequence is behind one that a heartbeat had told on that session. */
  readonly behind: number
  readonly identifies: number
}

/** `npm run build:test` bundles it. */
const script = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "../dist/program.js" : "./program.js", import.meta.url)
)

/** Discord's side: it keeps everything, and asks for heartbeats so often that they matter. */
const discord = DiscordSimulator.serve({
  heartbeatInterval: "600 millis",
  // A slow machine is no defect.
  heartbeatTimeout: false,
  sessionTimeout: "1 hour",
  replayBuffer: 10_000_000,
  history: 10_000_000
})

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "delivery-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)

/** A program that is started again and again, with a record of each of its processes. */
const makeRuns = Effect.fnUntraced(function* (name: string) {
  const simulator = yield* DiscordSimulator
  const folder = yield* temporaryFolder
  const sessions = join(folder, "sessions.json")
  const paths: Array<string> = []
  const read = (path: string) => (existsSync(path) ? fromLines(readFileSync(path, "utf8")) : [])
  return {
    /** Whether the session is in its file: its identity, which has the id, too, is written before it. */
    hasStored: (id: string) =>
      existsSync(sessions) && readFileSync(sessions, "utf8").split('_sessions:0/1":')[1]?.includes(id) === true,
    /** The records of all processes so far, in the order in which these were started. */
    records: () => paths.map(read),
    start: Effect.gen(function* () {
      const path = join(folder, `record.${paths.length}`)
      paths.push(path)
      const process = yield* Process.start(globalThis.process.execPath, [script, name], {
        env: {
          DISCORD_TOKEN: Redacted.value(simulator.token),
          DISCORD_API_URL: simulator.apiUrl,
          PROOF_RECORD: path,
          PROOF_SESSIONS: sessions
        }
      })
      const record = () => read(path)
      const describe = () => `${record().length} events recorded. ${process.description}`
      return { process, record, describe }
    })
  }
})

const guildOf = (n: number, guilds: number) => `${1000 + ((n * 31) % guilds)}`

/** Dispatches some 400 events a second, and goes on with others when it is told that it is enough. */
const makeTraffic = Effect.gen(function* () {
  const simulator = yield* DiscordSimulator
  let [dispatched, isOver] = [0, false]
  const dispatch = Effect.gen(function* () {
    for (let i = 0; i < 4; i++) {
      if (isOver) yield* simulator.dispatch("TYPING_START", {})
      // Before there is a session nobody gets it.
      else
        dispatched += yield* simulator.dispatchAll([
          { t: "MESSAGE_CREATE", d: { n: dispatched, guild_id: guildOf(dispatched, 50) } }
        ])
    }
  })
  yield* Effect.forkScoped(Effect.repeat(dispatch, Schedule.fixed("10 millis")))
  return {
    /** Ends what is counted, and gives how many events there were. */
    finish: Effect.sync(() => {
      isOver = true
      return dispatched
    })
  }
})

/** The sequences that heartbeats have told on a connection. */
const told = ({ frames }: ConnectionRecord): ReadonlyArray<number> =>
  frames.flatMap(({ op, payload }) => {
    if (op !== GatewayOpcode.Heartbeat || typeof payload !== "object" || payload === null) return []
    return "d" in payload && typeof payload.d === "number" ? [payload.d] : []
  })

/** Waits until a heartbeat has told that everything up to the event is handled. */
const untilTold = Effect.fnUntraced(function* (last: number, describe: () => string) {
  const simulator = yield* DiscordSimulator
  const [session] = yield* simulator.sessions
  const sequence = session?.dispatched.find(
    ({ d, t }) => t === "MESSAGE_CREATE" && typeof d === "object" && d !== null && "n" in d && d.n === last
  )?.s
  if (sequence === undefined) return yield* Effect.die(new Error(`event ${last} was not dispatched`))
  yield* until(
    Effect.map(simulator.connections, (all) => Math.max(0, ...all.flatMap(told))),
    (highest) => highest >= sequence,
    () => `Heartbeats never told ${sequence}. ${describe()}`
  )
})

/** Ends a program of this kind so many times, each time in a state that matters, and lets it come to the end of the events. */
export const prove = (name: KindName, times: number): Effect.Effect<Verdict> =>
  Effect.gen(function* () {
    const simulator = yield* DiscordSimulator
    const kind: Kind = kinds[name]
    const runs = yield* makeRuns(name)
    const traffic = yield* makeTraffic
    if (kind.endedBy !== null) {
      for (let time = 0; time < times; time++) {
        const before = yield* simulator.counts
        const { describe, process, record } = yield* runs.start
        const enough = yield* Random.nextIntBetween(1, 300)
        const state = time % 4
        if (state === 1) yield* until(simulator.counts, ({ resumes }) => resumes > before.resumes, describe)
        else if (state === 3) yield* until(simulator.counts, ({ dials }) => dials > before.dials, describe)
        else yield* untilTrue(() => record().length >= enough, describe)
        // A session is kept from when it is stored. In every fourth run a heartbeat tells how far it has come.
        if (time === 0) {
          const [session] = yield* simulator.sessions
          yield* untilTrue(() => runs.hasStored(session?.id ?? "no session"), describe)
        } else if (state === 2) {
          yield* until(simulator.connections, (all) => all.slice(-1).flatMap(told).length > 0, describe)
        }
        const { code } = yield* process.end(kind.endedBy)
        if (kind.endedBy === "SIGTERM" && code === null) {
          return yield* Effect.die(new Error(`SIGTERM was not heard. ${describe()}`))
        }
      }
    }
    const { describe, process, record } = yield* runs.start
    if (kind.endedBy === null) yield* untilTrue(() => record().length >= 100 * times, describe)
    const events = yield* traffic.finish
    yield* untilTrue(
      () => kind.subscribers.every((by) => record().some((taken) => taken.by === by && taken.n === events - 1)),
      describe
    )
    yield* untilTold(events - 1, describe)
    yield* process.end("SIGTERM")
    const counts = yield* simulator.counts
    return {
      kind: name,
      events,
      ...judge(kind, events, runs.records()),
      resumes: counts.resumes,
      behind: countBehind(yield* simulator.connections),
      identifies: counts.identifies
    }
  }).pipe(Effect.scoped, Effect.provide(discord), Effect.orDie)

const judge = (kind: Kind, events: number, records: ReadonlyArray<ReadonlyArray<Taken>>) => {
  const seen = new Map(kind.subscribers.map((by) => [by, new Set<number>()]))
  let [redelivered, untold] = [0, 0]
  for (const taken of records.flat()) {
    const own = seen.get(taken.by)
    if (own?.has(taken.n) === true) {
      redelivered++
      if (kind.isTold && !taken.redelivered) untold++
    }
    own?.add(taken.n)
  }
  let lost = 0
  for (const own of seen.values()) lost += events - own.size
  return { lost, redelivered, untold, outOfOrder: kind.isOrdered ? countOutOfOrder(records) : 0 }
}

const countOutOfOrder = (records: ReadonlyArray<ReadonlyArray<Taken>>): number => {
  let count = 0
  for (const record of records) {
    const last = new Map<string, number>()
    for (const { by, guild, n } of record) {
      const key = `${by} ${guild}`
      if (n < (last.get(key) ?? -1)) count++
      last.set(key, n)
    }
  }
  return count
}

/** RESUMEs from behind what a heartbeat told before on that session, over connections in the order of their opening. */
const countBehind = (connections: ReadonlyArray<ConnectionRecord>): number => {
  const highest = new Map<string, number>()
  let count = 0
  for (const { frames, sessionId = "" } of connections) {
    for (const { op, payload } of frames) {
      if (typeof payload !== "object" || payload === null || !("d" in payload)) continue
      const { d } = payload
      if (op === GatewayOpcode.Heartbeat && typeof d === "number") {
        highest.set(sessionId, Math.max(d, highest.get(sessionId) ?? 0))
      } else if (op === GatewayOpcode.Resume && typeof d === "object" && d !== null) {
        if (!("seq" in d && typeof d.seq === "number" && "session_id" in d && typeof d.session_id === "string")) count++
        else if (d.seq < (highest.get(d.session_id) ?? 0)) count++
      }
    }
  }
  return count
}

/** How long so many events of so many guilds take at 16 at once, beside what they would take with no time lost between them. */
export const timeKeyed = (events: number, guilds: number) =>
  Effect.gen(function* () {
    const simulator = yield* DiscordSimulator
    const { describe, process, record } = yield* (yield* makeRuns("keyed, timed")).start
    yield* until(simulator.sessions, ({ length }) => length > 0, describe)
    yield* simulator.dispatchAll(
      Array.from({ length: events }, (_, n) => ({ t: "MESSAGE_CREATE", d: { n, guild_id: guildOf(n, guilds) } }))
    )
    yield* untilTrue(() => record().length >= events, describe)
    yield* process.end("SIGTERM")
    const taken = record()
    let [work, first, last] = [0, Infinity, 0]
    for (const { at, n } of taken) {
      work += workOf(n, 50)
      first = Math.min(first, at - workOf(n, 50))
      last = Math.max(last, at)
    }
    const [ideal, took] = [work / 16, last - first]
    return {
      events: new Set(taken.map(({ n }) => n)).size,
      outOfOrder: countOutOfOrder([taken]),
      /** Milliseconds. */
      took,
      ideal,
      ratio: took / ideal
    }
  }).pipe(Effect.scoped, Effect.provide(discord), Effect.orDie)
