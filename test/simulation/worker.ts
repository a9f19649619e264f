/**
 * Runs seeds on a thread of its own, and posts what came of each.
 */
import { parentPort, workerData } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Run from "./Run.ts"

const { row, seeds }: Pick<Run.Outcome, "row"> & { readonly seeds: ReadonlyArray<number> } = workerData

const post = (outcome: Run.Outcome) =>
  Effect.sync(() => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    parentPort?.postMessage(outcome)
  })

Effect.runFork(Effect.forEach(seeds, (seed) => Effect.flatMap(Run.seed(seed, { row }), post), { discard: true }))
