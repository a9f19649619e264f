/**
 * Seeds on all cores: they have nothing to do with each other.
 */
import { availableParallelism } from "node:os"
import { Worker } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Run from "./Run.ts"

/** Runs seeds, of the programs of a row if one is given, and tells of each when it is done. */
export const run = (
  seeds: ReadonlyArray<number>,
  onOutcome: (outcome: Run.Outcome) => void,
  row?: string
): Effect.Effect<ReadonlyArray<Run.Outcome>> => {
  const threads = Math.min(availableParallelism(), seeds.length)
  const shares = Array.from({ length: threads }, (_, thread) => seeds.filter((_, index) => index % threads === thread))
  return Effect.map(
    Effect.forEach(shares, (share) => runOnThread(share, onOutcome, row), { concurrency: "unbounded" }),
    (outcomes) => outcomes.flat()
  )
}

const runOnThread = (
  seeds: ReadonlyArray<number>,
  onOutcome: (outcome: Run.Outcome) => void,
  row: string | undefined
): Effect.Effect<ReadonlyArray<Run.Outcome>> =>
  Effect.callback((resume) => {
    const outcomes: Array<Run.Outcome> = []
    const add = (outcome: Run.Outcome) => {
      outcomes.push(outcome)
      onOutcome(outcome)
    }
    const worker = new Worker(new URL("./worker.js", import.meta.url), { workerData: { seeds, row } })
    let reason = "the thread ended in the midst of it: a fiber waits for ever"
    worker.on("message", add)
    // An unhandled rejection, too.
    worker.on("error", (error) => {
      reason = String(error)
    })
    worker.on("exit", () => {
      const missing = seeds[outcomes.length]
      if (missing !== undefined) add({ ...Run.died(missing, reason), row })
      const rest = seeds.slice(outcomes.length)
      resume(
        rest.length === 0
          ? Effect.succeed(outcomes)
          : Effect.map(runOnThread(rest, onOutcome, row), (others) => [...outcomes, ...others])
      )
    })
    return Effect.promise(() => worker.terminate())
  })
