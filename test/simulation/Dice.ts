/**
 * Random choices as plain functions: a scenario is drawn from a seed before anything runs.
 */
import type * as Random from "effect/Random"

/** Draws of chance. */
export interface Dice {
  /** An integer from `least` to `most`, both included. */
  readonly integer: (least: number, most: number) => number
  /** An integer between the two, of all magnitudes alike: 1 to 10 is as likely as 1000 to 10,000. */
  readonly magnitude: (least: number, most: number) => number
  /** Whether something comes true that does so with this probability. */
  readonly chance: (probability: number) => boolean
  /** One of them. */
  readonly pick: <const A extends readonly [unknown, ...Array<unknown>]>(candidates: A) => A[number]
  /** One of them, as likely as its weight says. */
  readonly weighted: <A>(candidates: readonly [readonly [number, A], ...Array<readonly [number, A]>]) => A
}

/** Dice that are thrown by a random number generator. */
export const make = (random: typeof Random.Random.Service): Dice => {
  const next = () => random.nextDoubleUnsafe()
  const integer = (least: number, most: number) => least + Math.floor(next() * (most - least + 1))
  return {
    integer,
    magnitude: (least, most) => Math.round(least * (most / least) ** next()),
    chance: (probability) => next() < probability,
    pick: (candidates) => candidates[integer(0, candidates.length - 1)] ?? candidates[0],
    weighted: (candidates) => {
      let left = next() * candidates.reduce((sum, [weight]) => sum + weight, 0)
      for (const [weight, candidate] of candidates) {
        left -= weight
        if (left < 0) return candidate
      }
      return candidates[0][1]
    }
  }
}
