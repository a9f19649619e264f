/**
 * Runs seeds on a thread of its own, and posts what came of each.
 */
import { parentPort, workerData } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as ClusterRun from "./cluster/ClusterRun.ts"
import * as Run from "./Run.ts"
import type { Share } from "./Threads.ts"

const { job, seeds }: Share = workerData

const post = (outcome: unknown) =>
  Effect.sync(() => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    parentPort?.postMessage(outcome)
  })

const runSeed = (seed: number): Effect.Effect<unknown> =>
  job.kind === "process" ? Run.seed(seed, { row: job.row }) : ClusterRun.seed(seed, { defect: job.defect })

Effect.runFork(Effect.forEach(seeds, (seed) => Effect.flatMap(runSeed(seed), post), { discard: true }))
