/**
 * Report of many seeds, for people and as one line of JSON.
 */
import type { Outcome } from "./Run.ts"

/** The sums over all seeds. */
export interface Report {
  readonly seeds: number
  /** Faults that came to pass. */
  readonly faults: number
  /** The same by their names. */
  readonly met: Readonly<Record<string, number>>
  readonly dispatched: number
  readonly delivered: number
  /** Payloads that a client did not get though Discord still held them, or though they had reached the client. */
  readonly lost: number
  readonly duplicated: number
  readonly outOfOrder: number
  /** Processes that were killed. */
  readonly kills: number
  /** Begun with in one process, and again in a later one. */
  readonly redelivered: number
  readonly identifies: number
  /** Too early, beyond the day's budget, or though Discord held the session. */
  readonly identifyViolations: number
  /** Sessions that were found to be deaf. */
  readonly foundDeaf: number
  readonly stuck: number
  readonly virtualHours: number
  readonly failedSeeds: ReadonlyArray<number>
}

/** Sums up. */
export const ofOutcomes = (outcomes: ReadonlyArray<Outcome>): Report => {
  const sum = (f: (outcome: Outcome) => number) => outcomes.reduce((total, outcome) => total + f(outcome), 0)
  const met: Record<string, number> = {}
  for (const { faults } of outcomes) {
    for (const [name, times] of Object.entries(faults)) met[name] = (met[name] ?? 0) + times
  }
  return {
    seeds: outcomes.length,
    faults: Object.values(met).reduce((total, times) => total + times, 0),
    met,
    dispatched: sum(({ verdict }) => verdict.dispatched),
    delivered: sum(({ verdict }) => verdict.delivered),
    lost: sum(({ verdict }) => verdict.lost),
    duplicated: sum(({ verdict }) => verdict.duplicated),
    outOfOrder: sum(({ verdict }) => verdict.outOfOrder),
    kills: sum(({ kills }) => kills),
    redelivered: sum(({ verdict }) => verdict.redelivered),
    identifies: sum(({ identifies }) => identifies),
    identifyViolations: sum(({ identifyViolations }) => identifyViolations),
    foundDeaf: sum(({ foundDeaf }) => foundDeaf),
    stuck: sum(({ isStuck }) => (isStuck ? 1 : 0)),
    virtualHours: Math.round(sum(({ virtualMillis }) => virtualMillis) / 36_000) / 100,
    failedSeeds: outcomes
      .filter(hasFailed)
      .map(({ seed }) => seed)
      .toSorted((a, b) => a - b)
  }
}

/** Whether there is anything to hold against the client. */
export const hasFailed = ({ failures }: Outcome): boolean => failures.length > 0

/** Findings against the client, and the command that repeats them. */
export const describeFailure = ({ failures, row, seed }: Outcome): string =>
  [
    `Seed ${seed}${row === undefined ? "" : ` of "${row}"`} failed:`,
    ...failures.slice(0, 10).map((failure) => `  ${failure}`),
    ...(failures.length > 10 ? [`  … and ${failures.length - 10} more`] : []),
    `  Again, with everything that happens: npm run simulate -- --seeds ${seed}${row === undefined ? "" : ` --program "${row}"`} --trace`
  ].join("\n")

/** The report for people. */
export const describe = (report: Report, seconds: number): string => {
  const number = (value: number) => value.toLocaleString("en-US")
  const gone = report.dispatched - report.delivered - report.lost
  return [
    `${number(report.seeds)} seeds, ${number(report.virtualHours)} virtual hours in ${seconds.toFixed(1)} s`,
    `${number(report.faults)} faults`,
    `${number(report.dispatched)} dispatches: ${number(report.delivered)} delivered, ${number(gone)} gone with their sessions`,
    `${number(report.lost)} lost, ${number(report.duplicated)} duplicated, ${number(report.outOfOrder)} out of order`,
    `${number(report.kills)} kills, ${number(report.redelivered)} redelivered in a later process`,
    `${number(report.identifies)} IDENTIFYs, ${number(report.identifyViolations)} that must not be`,
    `${number(report.foundDeaf)} deaf sessions found`,
    `${number(report.stuck)} stuck`,
    report.failedSeeds.length === 0 ? "No seed failed" : `Failed seeds: ${report.failedSeeds.join(", ")}`
  ].join("\n")
}
