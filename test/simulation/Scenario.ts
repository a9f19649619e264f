/**
 * Scenario of a seed: a Discord, a network, a client, its consumers, and a schedule of faults. Data only.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { Intents } from "../../src/schema/Intents.ts"
import { defaultIntents, type GatewayOptions } from "../../src/services/GatewayConfig.ts"
import type { MemoryOptions } from "../../src/simulator/SimulatorOptions.ts"
import * as Dice from "./Dice.ts"
import { withDeafness } from "./Deafness.ts"
import * as FaultSchedule from "./FaultSchedule.ts"
import * as Program from "./Program.ts"
import { type Row, rows } from "./Rows.ts"

/** How a consumer takes payloads. Times are milliseconds. */
export interface ConsumerSpeed {
  readonly name: "quick" | "slow" | "bursty"
  /** After so many payloads it rests for so long. */
  readonly rest: { readonly every: number; readonly millis: number } | undefined
}

/** A scenario. */
export interface Scenario {
  readonly seed: number
  readonly discord: MemoryOptions
  readonly client: Omit<GatewayOptions, "token" | "reconnect">
  readonly shards: number
  /** Whether the sessions outlive the program, and how long a write takes at most. */
  readonly store: { readonly durable: boolean; readonly latency: number }
  readonly program: Program.Program
  readonly consumer: ConsumerSpeed
  /** How long after the start it subscribes. */
  readonly subscribesAfter: number
  /** Another one, that subscribes later. */
  readonly second:
    | { readonly program: Program.Program; readonly speed: ConsumerSpeed; readonly after: number }
    | undefined
  readonly steps: ReadonlyArray<FaultSchedule.Step>
}

/** The one token in the simulation, to be found nowhere but in what Discord is sent. */
export const token = "MTk4NjIyNDgzNDcxOTI1MjQ4.simulated.0f-a-bot"

const second = 1000
const minute = 60 * second

const drawSpeed = (dice: Dice.Dice): ConsumerSpeed =>
  dice.weighted<() => ConsumerSpeed>([
    [4, () => ({ name: "quick", rest: undefined })],
    [2, () => ({ name: "slow", rest: { every: dice.integer(1, 20), millis: dice.magnitude(1, 200) } })],
    [2, () => ({ name: "bursty", rest: { every: dice.magnitude(20, 1000), millis: dice.magnitude(second, minute) } })]
  ])()

/** Every third seed is for the kinds of programs that were thought of later. */
const drawLaterKind = (seed: number): Program.Kind | undefined =>
  seed % 3 === 1 ? Program.laterKinds[Math.floor(seed / 3) % Program.laterKinds.length] : undefined

const anyPoison = { n: 7, maxAttempts: 5 }

/** Some seeds have a payload that kills each process that begins with it. */
const drawPoison = (seed: number): Program.Program["poison"] =>
  seed % 5 === 3 ? { n: 1 + ((seed * 7919) % 200), maxAttempts: 3 + (seed % 4) } : undefined

const drawScenario = (seed: number, dice: Dice.Dice, row: Row | undefined): Scenario => {
  const shards = dice.weighted([
    [7, 1],
    [2, 2],
    [1, dice.integer(3, 5)]
  ])
  const restarts = row !== undefined || dice.chance(0.4)
  const isTight = dice.chance(0.1)
  const kind = row?.kind ?? drawLaterKind(seed)
  // Who takes a few and leaves again and again does not hear everything beside another.
  const takesFew = kind === "take" || kind === "takeOne" || kind === "interrupted"
  const hasSecond = row?.hasSecond ?? (dice.chance(0.25) && !takesFew)
  const heartbeatInterval = dice.chance(0.5) ? 41_250 : dice.integer(10 * second, minute)
  const sessionTimeout = dice.magnitude(minute, 20 * minute)
  const program = Program.draw(dice, kind, row?.fails)
  const poison = drawPoison(seed)
  const hasPoison = row === undefined ? poison !== undefined && restarts && !hasSecond : row.hasPoison
  const consumer = drawSpeed(dice)
  const subscribesAfter = dice.chance(0.7) ? 0 : dice.magnitude(1, minute)
  const durable = restarts || dice.chance(0.3)
  const leaves = dice.chance(hasSecond && !Program.acknowledges(program) ? 0 : 0.25)
  return {
    seed,
    shards,
    discord: {
      heartbeatInterval,
      sessionTimeout,
      shards,
      latency: dice.magnitude(1, 200),
      frames: dice.pick(["text", "binary"]),
      guilds: dice.chance(0.3) ? dice.integer(1, 5) : 0,
      maxConcurrency: dice.chance(0.7) ? 1 : dice.integer(2, 4),
      replayBuffer: dice.chance(0.1) ? dice.magnitude(20, 500) : 50_000,
      // Discord documents neither.
      replaysResumed: seed % 2 === 0,
      forgetsAcknowledged: dice.chance(durable ? 0.8 : 0.3),
      ...(isTight
        ? {
            sessionStartLimit: {
              total: dice.integer(4 * shards, 20 * shards),
              remaining: dice.integer(shards, 4 * shards),
              resetAfter: dice.magnitude(10 * minute, 120 * minute)
            }
          }
        : {})
    },
    client: {
      intents: defaultIntents | Intents.GUILD_MEMBERS,
      shards,
      buffer: dice.weighted([
        [5, 4096],
        [2, 64],
        [1, dice.integer(1, 8)]
      ]),
      saveEvery: dice.magnitude(100, 30 * second),
      compression: dice.pick(["none", "zlib-stream", "zlib-stream", "payload"]),
      ...(dice.chance(0.1) ? { events: ["MESSAGE_CREATE"] as const } : {}),
      // Giving a session up that Discord still has would lose what it holds.
      giveUpResume: { after: Math.max(5 * minute, 2 * sessionTimeout) }
    },
    store: { durable, latency: dice.chance(0.5) ? 0 : dice.magnitude(1, 500) },
    program:
      hasPoison && Program.hasHandlers(program)
        ? { ...program, fails: undefined, poison: poison ?? anyPoison }
        : program,
    consumer,
    subscribesAfter,
    second: hasSecond
      ? {
          program: dice.chance(0.5) ? Program.stream : { ...Program.stream, kind: "runForEach" },
          speed: drawSpeed(dice),
          after: subscribesAfter + dice.magnitude(1, 5 * minute)
        }
      : undefined,
    steps: FaultSchedule.draw(dice, {
      shards,
      troubles: dice.integer(20, 60),
      heartbeatInterval,
      restarts,
      leaves,
      stores: durable && dice.chance(0.5),
      pauses: dice.chance(0.3),
      fatal: restarts && row === undefined && dice.chance(0.2),
      // A Discord that was mute hears an IDENTIFY long after it was sent: nobody can keep a budget to the last one then.
      mutes: !isTight
    })
  }
}

/** The scenario of a seed, of the programs of a row if one is given. */
export const ofSeed = (seed: number, rowName?: string): Effect.Effect<Scenario> =>
  Effect.map(Random.Random, (random) => {
    const row = rowName === undefined ? undefined : rows.get(rowName)
    const dice = Dice.make(random)
    const scenario = drawScenario(seed, dice, row)
    if (row === undefined) return { ...scenario, steps: withDeafness(seed, scenario.shards, scenario.steps) }
    const steps = scenario.steps.flatMap((step) => FaultSchedule.withKill(dice, step))
    return { ...scenario, steps: row.endsInPeace ? steps.map(FaultSchedule.inPeace) : steps }
  }).pipe(Random.withSeed(`scenario ${seed}${rowName === undefined ? "" : ` of ${rowName}`}`))
