// Puts every way of taking events to the proof: `npm run delivery:prove -- 20` kills each program twenty times and prints a
// line of a table for each; a name after it chooses one. Fails where the guarantee is broken.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Console, Effect } from "effect"
import { type KindName, kindNames } from "./Kinds.ts"
import { prove, timeKeyed, type Verdict } from "./Proof.ts"

const [times = "20", chosen] = process.argv.slice(2)

const isKept = ({ behind, identifies, lost, outOfOrder, untold }: Verdict) =>
  lost === 0 && behind === 0 && identifies === 1 && outOfOrder === 0 && untold === 0

/** Puts one way to the proof; one that does not come to its end is told as such, and the others go on. */
const line = (name: KindName) =>
  prove(name, Number(times)).pipe(
    Effect.map((verdict) => {
      const { behind, events, identifies, lost, outOfOrder, redelivered, resumes, untold } = verdict
      const rest =
        outOfOrder + untold === 0 ? "" : ` (out of order ${outOfOrder}, redelivered but not told so ${untold})`
      return {
        text: [name, events, lost, `${redelivered}${rest}`, `${behind} of ${resumes}`, identifies].join(" | "),
        isKept: isKept(verdict)
      }
    }),
    Effect.catchCause((cause) =>
      Effect.succeed({ text: `${name} | did not end: ${Cause.pretty(cause)}`, isKept: false })
    ),
    Effect.tap(({ text }) => Console.log(text))
  )

const program = Effect.gen(function* () {
  yield* Console.log("kind | events | lost | redelivered | RESUMEs behind a heartbeat | IDENTIFYs")
  yield* Console.log("--- | --- | --- | --- | --- | ---")
  const chosenNames = kindNames.filter((name) => chosen === undefined || name === chosen)
  const lines = yield* Effect.forEach(chosenNames, line, { concurrency: 2 })
  if (chosen === undefined || chosen === "keyed") {
    const { events, ideal, outOfOrder, ratio, took } = yield* timeKeyed(5000, 200)
    yield* Console.log(
      `\n${events} events of 200 guilds, 16 at once, handlers of 1 to 50 ms: ${(took / 1000).toFixed(1)} s, ` +
        `${ratio.toFixed(2)} times the ideal of ${(ideal / 1000).toFixed(1)} s; out of order ${outOfOrder}`
    )
  }
  if (!lines.every(({ isKept }) => isKept)) return yield* Effect.die(new Error("the delivery did not stand the proof"))
})

NodeRuntime.runMain(program)
