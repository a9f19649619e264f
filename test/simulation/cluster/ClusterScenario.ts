/**
 * Scenario of a cluster, drawn from a seed: machines, shards, and what happens to them, one thing after another.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Dice from "../Dice.ts"

/** Something that happens. A machine is named by its place among those that run. */
export type Trouble =
  | { readonly _tag: "Dispatch"; readonly count: number }
  | { readonly _tag: "Kill"; readonly machine: number; readonly down: number }
  | { readonly _tag: "Stop"; readonly machine: number; readonly down: number }
  | { readonly _tag: "Join" }
  | { readonly _tag: "Pause"; readonly machine: number; readonly millis: number }
  | { readonly _tag: "CutFromDatabase"; readonly machine: number; readonly millis: number }
  | { readonly _tag: "DatabaseAway"; readonly millis: number }
  | { readonly _tag: "SlowDatabase"; readonly latency: number; readonly millis: number }
  | { readonly _tag: "CutFromDiscord"; readonly machine: number; readonly millis: number }
  | { readonly _tag: "Skew"; readonly machine: number; readonly millis: number }
  | { readonly _tag: "Drop" }
  | { readonly _tag: "PowerCut"; readonly down: number }

/** A scenario. */
export interface ClusterScenario {
  readonly seed: number
  readonly machines: number
  readonly shards: number
  readonly parts: number
  readonly maxConcurrency: number
  /** Whether Discord forgets what a heartbeat acknowledged. */
  readonly forgets: boolean
  /** Milliseconds one way to the database. */
  readonly latency: number
  /** Milliseconds by which the wall clocks of machines are off, in turn. */
  readonly skews: ReadonlyArray<number>
  /** Milliseconds that a handler takes, at most. */
  readonly handling: number
  readonly steps: ReadonlyArray<{ readonly after: number; readonly trouble: Trouble }>
  /** Whether every second machine is of a later release. */
  readonly mixed: boolean
}

const trouble = (dice: Dice.Dice): Trouble => {
  const machine = dice.integer(0, 9)
  return dice.weighted<() => Trouble>([
    [10, () => ({ _tag: "Dispatch", count: dice.magnitude(1, 200) })],
    [4, () => ({ _tag: "Kill", machine, down: dice.magnitude(100, 20_000) })],
    [3, () => ({ _tag: "Stop", machine, down: dice.magnitude(100, 20_000) })],
    [1, () => ({ _tag: "Join" })],
    [5, () => ({ _tag: "Pause", machine, millis: dice.magnitude(200, 60_000) })],
    [4, () => ({ _tag: "CutFromDatabase", machine, millis: dice.magnitude(200, 30_000) })],
    [2, () => ({ _tag: "DatabaseAway", millis: dice.magnitude(200, 30_000) })],
    [2, () => ({ _tag: "SlowDatabase", latency: dice.magnitude(20, 400), millis: dice.magnitude(1000, 30_000) })],
    [2, () => ({ _tag: "CutFromDiscord", machine, millis: dice.magnitude(200, 60_000) })],
    [2, () => ({ _tag: "Skew", machine, millis: dice.integer(-60_000, 60_000) })],
    [2, () => ({ _tag: "Drop" })],
    [1, () => ({ _tag: "PowerCut", down: dice.magnitude(100, 30_000) })]
  ])()
}

/** Draws the scenario of a seed. */
export const ofSeed = (seed: number): Effect.Effect<ClusterScenario> =>
  Random.Random.use((random) =>
    Effect.sync((): ClusterScenario => {
      const dice = Dice.make(random)
      const shards = dice.integer(1, 8)
      return {
        seed,
        machines: dice.integer(1, 4),
        shards,
        parts: dice.pick([shards, 16]),
        maxConcurrency: dice.pick([1, 2, 16]),
        forgets: dice.chance(0.5),
        latency: dice.magnitude(1, 50),
        handling: dice.magnitude(1, 500),
        skews: dice.chance(0.3) ? Array.from({ length: 3 }, () => dice.integer(-60_000, 60_000)) : [0],
        steps: Array.from({ length: dice.integer(4, 16) }, () => ({
          after: dice.magnitude(50, 15_000),
          trouble: trouble(dice)
        })),
        mixed: dice.chance(0.3)
      }
    })
  ).pipe(Random.withSeed(`cluster ${seed}`))

/** A trouble in words. */
export const describe = ({ _tag, ...more }: Trouble): string =>
  `${_tag} ${Object.entries(more)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ")}`
