/**
 * So many kills of each kind of program, and the table of what came of them.
 */
import * as Effect from "effect/Effect"
import * as Report from "./Report.ts"
import type * as Run from "./Run.ts"
import { rows } from "./Rows.ts"
import * as Threads from "./Threads.ts"

/** The sums of one row. */
export interface Line {
  readonly row: string
  readonly seeds: number
  readonly kills: number
  /** Processes that ended in peace. */
  readonly stops: number
  readonly delivered: number
  readonly lost: number
  /** Begun with in one process, and again in a later one. */
  readonly redelivered: number
  /** Redelivered to a program that is told, and not told so. */
  readonly untold: number
  /** Handled twice in one process. */
  readonly doubled: number
  readonly outOfOrder: number
  readonly stuck: number
  readonly failedSeeds: ReadonlyArray<number>
}

const seedsAtOnce = 8

/** Runs the seeds of a row from 1 on until so many processes were killed, or have ended in peace where the row says that. */
export const run = Effect.fnUntraced(function* (
  row: string,
  kills: number,
  onOutcome: (outcome: Run.Outcome) => void
): Effect.fn.Return<Line> {
  const outcomes: Array<Run.Outcome> = []
  const sum = (f: (outcome: Run.Outcome) => number) => outcomes.reduce((total, outcome) => total + f(outcome), 0)
  const endsInPeace = rows.get(row)?.endsInPeace === true
  const ends = () => sum(({ kills, stops }) => (endsInPeace ? stops : kills))
  while (ends() < kills) {
    const first = outcomes.length + 1
    const seeds = Array.from({ length: seedsAtOnce }, (_, index) => first + index)
    outcomes.push(...(yield* Threads.run(seeds, onOutcome, row)))
  }
  const { delivered, duplicated, failedSeeds, lost, outOfOrder, stuck } = Report.ofOutcomes(outcomes)
  return {
    row,
    seeds: outcomes.length,
    kills: sum(({ kills }) => kills),
    stops: sum(({ stops }) => stops),
    delivered,
    lost,
    redelivered: sum(({ verdict }) => verdict.redelivered),
    untold: sum(({ verdict }) => verdict.untold),
    doubled: duplicated,
    outOfOrder,
    stuck,
    failedSeeds
  }
})

/** The head of the table. */
export const head =
  "program | seeds | kills | ends in peace | handled | lost | redelivered | not told so | doubled in one process | out of order | stuck | failed seeds\n" +
  "--- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | ---"

/** A line of the table. */
export const describe = (line: Line): string =>
  [
    line.row,
    line.seeds,
    line.kills,
    line.stops,
    line.delivered,
    line.lost,
    line.redelivered,
    line.untold,
    line.doubled,
    line.outOfOrder,
    line.stuck,
    line.failedSeeds.length === 0 ? "none" : line.failedSeeds.join(", ")
  ].join(" | ")
