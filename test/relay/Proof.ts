/**
 * The proof of the relay: relays, consumers and the broker are killed at random while Discord dispatches without pause, and what the
 * consumers wrote down is compared with what was dispatched.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import { until, untilTrue } from "../support/Patience.ts"
import * as Process from "../support/Process.ts"
import type { OwnBroker } from "./Brokers.ts"
import { HandledRecord, judge } from "./HandledRecord.ts"

/** Result of a run, by events. */
export interface Verdict {
  readonly events: number
  readonly lost: number
  /** How often an event was handled once more. */
  readonly doubled: number
  /** Events that were handled for the first time after a later one of their guild. */
  readonly outOfOrder: number
  readonly identifies: number
  readonly resumes: number
  /** The most memory that a relay took, in MiB. */
  readonly relayMiB: number
  readonly seconds: number
}

const scriptOf = (name: string) =>
  fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? `../dist/${name}.js` : `./${name}.js`, import.meta.url))

/** Discord's side: it keeps everything that a heartbeat has not acknowledged. */
const discord = DiscordSimulator.serve({
  shards: 2,
  maxConcurrency: 16,
  heartbeatInterval: "2 seconds",
  heartbeatTimeout: false,
  sessionTimeout: "1 hour",
  replayBuffer: 10_000_000,
  history: 1000,
  forgetsAcknowledged: true
})

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "relay-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** Guilds of both shards, with ids as Discord has them. */
const guildOf = (n: number, guilds: number) => String((1_000_000_000n + BigInt((n * 31) % guilds)) << 22n)

/** Dispatches so many events a second, and stops when it is told that it is enough. */
const makeTraffic = Effect.fnUntraced(function* (rate: number, guilds: number) {
  const simulator = yield* DiscordSimulator
  let [dispatched, isOver] = [0, false]
  const tick = Effect.suspend(() =>
    isOver
      ? Effect.void
      : Effect.forEach(
          Array.from({ length: rate / 50 }, () => dispatched++),
          (n) => simulator.dispatch("MESSAGE_CREATE", { id: String(n), guild_id: guildOf(n, guilds), content: "" }),
          { discard: true }
        )
  )
  yield* Effect.forkScoped(Effect.repeat(tick, Schedule.fixed("20 millis")))
  return Effect.sync(() => {
    isOver = true
    return dispatched
  })
})

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Resident memory of a process in MiB; 0 where it is gone. */
const memoryOf = (pid: number): number => {
  try {
    const resident = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
    return Number(resident ?? 0) / 1024
  } catch {
    return 0
  }
}

/** A process that is started again whenever it ends, as an orchestrator does, until it is stopped. */
class Supervised {
  private readonly scope: Scope.Scope
  private readonly starting: Effect.Effect<Process.Process, never, Scope.Scope>
  private current: Process.Process | undefined
  private isWanted = false
  mostMemory = 0

  constructor(scope: Scope.Scope, script: string, env: Process.Environment) {
    this.scope = scope
    this.starting = Process.start(process.execPath, [scriptOf(script)], { env })
  }

  get description(): string {
    return this.current?.description ?? "not started"
  }

  /** Starts it, and again whenever it has ended. */
  readonly start = Effect.suspend(() => {
    this.isWanted = true
    const look = Effect.suspend(() => {
      if (!this.isWanted) return Effect.void
      const pid = this.current?.pid ?? 0
      if (pid > 0 && isAlive(pid)) {
        this.mostMemory = Math.max(this.mostMemory, memoryOf(pid))
        return Effect.void
      }
      return Effect.map(Scope.provide(this.starting, this.scope), (process) => {
        this.current = process
      })
    })
    return Effect.asVoid(
      Effect.forkIn(
        Effect.repeat(look, { while: () => this.isWanted, schedule: Schedule.spaced("50 millis") }),
        this.scope
      )
    )
  })

  /** Kills it; it is started again. */
  readonly kill = Effect.suspend(() => this.current?.signal("SIGKILL") ?? Effect.void)

  /** Stops it for good. */
  readonly stop = Effect.suspend(() => {
    this.isWanted = false
    return this.current === undefined ? Effect.void : Effect.asVoid(this.current.end("SIGTERM"))
  })
}

/** A relay and consumers on a broker, and the record of the consumers. */
const makeRun = Effect.fnUntraced(function* (broker: OwnBroker, consumers: number, more: Process.Environment = {}) {
  const since = performance.now()
  const simulator = yield* DiscordSimulator
  const scope = yield* Effect.scope
  const folder = yield* temporaryFolder
  const path = join(folder, "record")
  const record = yield* Effect.acquireRelease(
    Effect.sync(() => new HandledRecord(path)),
    ({ close }) => close
  )
  const env = {
    DISCORD_TOKEN: Redacted.value(simulator.token),
    DISCORD_API_URL: simulator.apiUrl,
    DISCORD_SHARDS: "2",
    PROOF_BROKER: broker.url,
    PROOF_REPLICAS: String(broker.replicas),
    PROOF_NAME: "proof",
    PROOF_SESSIONS: join(folder, "sessions.json"),
    PROOF_RECORD: path,
    PROOF_MODE: "relay",
    ...more
  }
  const relay = new Supervised(scope, "relay", env)
  const bots = Array.from({ length: consumers }, () => new Supervised(scope, "relaybot", env))
  const describe = () => `${relay.description}\n${bots.map(({ description }) => description).join("\n")}`
  const lines = () => record.lines()
  return {
    relay,
    bots,
    describe,
    lines,
    /** Waits until all shards of the relay are ready with their sessions stored. */
    ready: Effect.gen(function* () {
      yield* until(simulator.sessions, ({ length }) => length === 2, describe)
      yield* untilTrue(
        () => existsSync(env.PROOF_SESSIONS) && readFileSync(env.PROOF_SESSIONS, "utf8").split("resumeUrl").length > 2,
        describe
      )
    }),
    /** Waits until the consumers have handled so many events, and ends. */
    end: Effect.fnUntraced(function* (events: number) {
      yield* untilTrue(() => record.events() >= events, describe)
      for (const bot of bots) yield* bot.stop
      yield* relay.stop
      const { identifies, resumes } = yield* simulator.counts
      return {
        events,
        ...judge(lines(), events),
        identifies,
        resumes,
        relayMiB: Math.round(relay.mostMemory),
        seconds: Math.round((performance.now() - since) / 1000)
      } satisfies Verdict
    })
  }
})

/** Load of a run. */
export interface Load {
  /** Events a second. */
  readonly rate: number
  readonly guilds: number
}

/** Kills so many relays, consumers and brokers, at random. */
export const kill = (
  makeBroker: Effect.Effect<OwnBroker, never, Scope.Scope>,
  { guilds, rate }: Load,
  times: { readonly relay: number; readonly consumer: number; readonly broker: number },
  consumers = 3
): Effect.Effect<Verdict> =>
  Effect.gen(function* () {
    const broker = yield* makeBroker
    const run = yield* makeRun(broker, consumers)
    const { bots, describe, lines, ready, relay } = run
    yield* relay.start
    for (const bot of bots) yield* bot.start
    yield* ready
    const finish = yield* makeTraffic(rate, guilds)
    yield* untilTrue(() => lines().length > 0, describe)
    const acts = yield* Random.shuffle([
      ...Array.from({ length: times.relay }, () => relay.kill),
      ...Array.from({ length: times.consumer }, (_, n) => bots[n % bots.length]?.kill ?? Effect.void),
      ...Array.from({ length: times.broker }, () =>
        Effect.andThen(broker.kill, Effect.delay(broker.start, "500 millis"))
      )
    ])
    for (const act of acts) {
      yield* act
      yield* Effect.sleep(Duration.millis(yield* Random.nextIntBetween(200, 1500)))
    }
    return yield* run.end(yield* finish)
  }).pipe(Effect.scoped, Effect.provide(discord), Effect.orDie)

/** Has no consumer for a time, and then three. */
export const abandon = (
  makeBroker: Effect.Effect<OwnBroker, never, Scope.Scope>,
  { guilds, rate }: Load,
  time: Duration.Duration
): Effect.Effect<Verdict> =>
  Effect.gen(function* () {
    const run = yield* makeRun(yield* makeBroker, 3)
    const { bots, ready, relay } = run
    yield* relay.start
    yield* ready
    const finish = yield* makeTraffic(rate, guilds)
    yield* Effect.sleep(time)
    for (const bot of bots) yield* bot.start
    return yield* run.end(yield* finish)
  }).pipe(Effect.scoped, Effect.provide(discord), Effect.orDie)

/** The records of the same bot on a gateway of its own and behind the relay: the numbers of each guild, in the order of the record. */
export const compare = (makeBroker: Effect.Effect<OwnBroker, never, Scope.Scope>, events: number, guilds: number) =>
  Effect.forEach(["direct", "relay"], (mode) =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const broker = yield* makeBroker
      const { bots, describe, lines, ready, relay } = yield* makeRun(broker, 1, { PROOF_MODE: mode })
      if (mode === "relay") yield* relay.start
      for (const bot of bots) yield* bot.start
      yield* ready
      for (let n = 0; n < events; n++) {
        yield* simulator.dispatch("MESSAGE_CREATE", { id: String(n), guild_id: guildOf(n, guilds), content: "" })
      }
      yield* untilTrue(() => lines().length >= events, describe)
      for (const bot of bots) yield* bot.stop
      const byGuild: Record<string, ReadonlyArray<number>> = {}
      for (const { guild, n } of lines()) byGuild[guild] = [...(byGuild[guild] ?? []), n]
      return byGuild
    }).pipe(Effect.scoped, Effect.provide(discord), Effect.orDie)
  )
