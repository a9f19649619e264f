/**
 * Report of many seeds of the cluster, for people and as one line of JSON.
 */
import type { ClusterOutcome } from "./ClusterRun.ts"

/** The sums over all seeds. */
export interface ClusterReport {
  readonly seeds: number
  readonly dispatched: number
  /** Events that no machine handled though Discord still held them. */
  readonly lost: number
  /** Events that were handled again. */
  readonly twice: number
  /** Events that a machine began with though their shard was another's, or while another one handled the shard's. */
  readonly atOnce: number
  readonly identifies: number
  /** Too early, beyond the day's budget, or though the stored session could be resumed. */
  readonly identifyViolations: number
  readonly stuck: number
  /** Longest time in seconds until all was well, from when the last trouble had ended. */
  readonly recovery: number
  readonly virtualHours: number
  /** How often each trouble was met. */
  readonly troubles: Readonly<Record<string, number>>
  readonly failedSeeds: ReadonlyArray<number>
}

/** Sums up. */
export const ofOutcomes = (outcomes: ReadonlyArray<ClusterOutcome>): ClusterReport => {
  const sum = (f: (outcome: ClusterOutcome) => number) => outcomes.reduce((total, outcome) => total + f(outcome), 0)
  const troubles: Record<string, number> = {}
  for (const outcome of outcomes) {
    for (const [name, times] of Object.entries(outcome.troubles)) troubles[name] = (troubles[name] ?? 0) + times
  }
  return {
    seeds: outcomes.length,
    dispatched: sum(({ dispatched }) => dispatched),
    lost: sum(({ lost }) => lost),
    twice: sum(({ twice }) => twice),
    atOnce: sum(({ atOnce }) => atOnce),
    identifies: sum(({ identifies }) => identifies),
    identifyViolations: sum(({ identifyViolations }) => identifyViolations),
    stuck: sum(({ isStuck }) => (isStuck ? 1 : 0)),
    recovery: Math.max(0, ...outcomes.map(({ recovery }) => recovery)) / 1000,
    virtualHours: Math.round(sum(({ virtualMillis }) => virtualMillis) / 36_000) / 100,
    troubles,
    failedSeeds: outcomes
      .filter(hasFailed)
      .map(({ seed }) => seed)
      .toSorted((a, b) => a - b)
  }
}

/** Count of the troubles. */
export const faultsOf = ({ troubles }: ClusterReport): number =>
  Object.entries(troubles).reduce((total, [name, times]) => (name === "Dispatch" ? total : total + times), 0)

/** Whether there is anything to hold against the cluster. */
export const hasFailed = ({ failures }: ClusterOutcome): boolean => failures.length > 0

/** Findings against the cluster, and the command that repeats them. */
export const describeFailure = ({ failures, seed }: ClusterOutcome): string =>
  [
    `Seed ${seed} failed:`,
    ...failures.slice(0, 10).map((failure) => `  ${failure}`),
    `  Again, with everything that happens: npm run simulate -- --cluster --seeds ${seed} --trace`
  ].join("\n")

/** The report for people. */
export const describe = (report: ClusterReport, seconds: number): string => {
  const number = (value: number) => value.toLocaleString("en-US")
  const troubles = Object.entries(report.troubles).toSorted(([, one], [, other]) => other - one)
  return [
    `${number(report.seeds)} seeds, ${number(report.virtualHours)} virtual hours in ${seconds.toFixed(1)} s`,
    troubles.map(([name, times]) => `${name} ${number(times)}`).join(", "),
    `${number(report.dispatched)} dispatches: ${number(report.lost)} lost, ${number(report.twice)} twice, ${number(report.atOnce)} by two machines at once`,
    `${number(report.identifies)} IDENTIFYs, ${number(report.identifyViolations)} that must not be`,
    `${number(report.stuck)} stuck; all ready within ${report.recovery.toFixed(0)} s of the last trouble`,
    report.failedSeeds.length === 0 ? "No seed failed" : `Failed seeds: ${report.failedSeeds.join(", ")}`
  ].join("\n")
}
