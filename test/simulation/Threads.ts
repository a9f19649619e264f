/**
 * Seeds on all cores: they have nothing to do with each other.
 */
import { availableParallelism } from "node:os"
import { Worker } from "node:worker_threads"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as ClusterRun from "./cluster/ClusterRun.ts"
import type { Defect } from "./cluster/Defect.ts"
import * as Run from "./Run.ts"

/** What is run with each seed: the scenario of one process, or of a cluster. */
export type Job =
  | { readonly kind: "process"; readonly row: string | undefined }
  | { readonly kind: "cluster"; readonly defect: Defect | undefined }

/** Seeds for a thread. */
export interface Share {
  readonly job: Job
  readonly seeds: ReadonlyArray<number>
}

/** Runs seeds, of the programs of a row if one is given, and tells of each when it is done. */
export const run = (
  seeds: ReadonlyArray<number>,
  onOutcome: (outcome: Run.Outcome) => void,
  row?: string
): Effect.Effect<ReadonlyArray<Run.Outcome>> =>
  onAllCores({ kind: "process", row }, seeds, onOutcome, (seed, reason) => ({ ...Run.died(seed, reason), row }))

/** Runs seeds of the cluster, with a defect put in if one is given, and tells of each when it is done. */
export const runClusters = (
  seeds: ReadonlyArray<number>,
  onOutcome: (outcome: ClusterRun.ClusterOutcome) => void,
  defect: Defect | undefined
): Effect.Effect<ReadonlyArray<ClusterRun.ClusterOutcome>> =>
  onAllCores({ kind: "cluster", defect }, seeds, onOutcome, ClusterRun.died)

/** Seeds after which a thread is followed by another one: processes that were killed wait in it for ever, with all that they hold. */
const seedsOfThread = 100

const onAllCores = <Outcome>(
  job: Job,
  seeds: ReadonlyArray<number>,
  onOutcome: (outcome: Outcome) => void,
  died: (seed: number, reason: string) => Outcome
): Effect.Effect<ReadonlyArray<Outcome>> => {
  const threads = Math.min(availableParallelism(), seeds.length)
  const shares = Array.from({ length: threads }, (_, thread) => seeds.filter((_, index) => index % threads === thread))
  return Effect.map(
    Effect.forEach(
      shares,
      (share) =>
        Effect.forEach(Arr.chunksOf(share, seedsOfThread), (seeds) => onThread({ job, seeds }, onOutcome, died)),
      { concurrency: "unbounded" }
    ),
    (outcomes) => outcomes.flat(2)
  )
}

/** Bundled, this file is in `test/dist` or below it. */
const program = new URL(import.meta.url.includes("/dist/shared/") ? "../worker.js" : "./worker.js", import.meta.url)

const onThread = <Outcome>(
  { job, seeds }: Share,
  onOutcome: (outcome: Outcome) => void,
  died: (seed: number, reason: string) => Outcome
): Effect.Effect<ReadonlyArray<Outcome>> =>
  Effect.callback((resume) => {
    const outcomes: Array<Outcome> = []
    const add = (outcome: Outcome) => {
      outcomes.push(outcome)
      onOutcome(outcome)
    }
    const worker = new Worker(program, { workerData: { job, seeds } satisfies Share })
    let reason = "the thread ended in the midst of it: a fiber waits for ever"
    worker.on("message", add)
    // An unhandled rejection, too.
    worker.on("error", (error) => {
      reason = String(error)
    })
    worker.on("exit", () => {
      const missing = seeds[outcomes.length]
      if (missing !== undefined) add(died(missing, reason))
      const rest = seeds.slice(outcomes.length)
      resume(
        rest.length === 0
          ? Effect.succeed(outcomes)
          : Effect.map(onThread({ job, seeds: rest }, onOutcome, died), (others) => [...outcomes, ...others])
      )
    })
    return Effect.promise(() => worker.terminate())
  })
