/**
 * Live view on the terminal's alternate screen, as editors use it. At the end the terminal is restored, and the first
 * lines of the last view are printed on the normal screen.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import { GatewayMonitor } from "../gateway/GatewayMonitor.ts"
import { liveLines } from "./LiveView.ts"
import * as StandardOutput from "./StandardOutput.ts"
import { paper } from "./TerminalLine.ts"

const enter = "\u001b[?1049h\u001b[?25l"
const leave = "\u001b[?25h\u001b[?1049l"
const home = "\u001b[H"
const restOfLine = "\u001b[K"
const restOfScreen = "\u001b[J"

/** Draws every second and at each resize. Ends with q or Ctrl-C. */
export const show = Effect.fnUntraced(function* (notes: ReadonlyArray<string>) {
  const monitor = yield* GatewayMonitor
  const terminal = yield* Terminal.Terminal
  const isInteractive = yield* (yield* Stdio.Stdio).stdinIsTerminal

  const lines = (maxRows: number) =>
    Effect.gen(function* () {
      const screen = { ...(yield* paper), rows: Math.min(maxRows, (yield* terminal.rows) || 24) }
      return liveLines(yield* monitor.snapshot, { screen, notes })
    })
  const draw = Effect.flatMap(lines(Infinity), (lines) =>
    StandardOutput.write(`${home}${lines.map((line) => `${line}${restOfLine}`).join("\n")}${restOfScreen}`)
  )
  yield* Effect.acquireRelease(StandardOutput.write(enter), () =>
    Effect.ignore(
      Effect.andThen(
        StandardOutput.write(leave),
        Effect.flatMap(lines(summaryRows), (lines) => StandardOutput.write(`${summary(lines)}\n`))
      )
    )
  )
  const sizes = Stream.fromQueue(yield* terminal.size)
  const drawing = Stream.merge(monitor.snapshots, sizes).pipe(Stream.runForEach(() => draw))
  yield* isInteractive ? Effect.raceFirst(drawing, pressedQ(yield* terminal.readInput)) : drawing
})

/** Rows of the final summary: few, so the user's earlier output stays in sight. */
const summaryRows = 16

const summary = (lines: ReadonlyArray<string>): string => lines.slice(0, -1).join("\n").trimEnd()

/** Waits for q, or for Ctrl-C, with which the terminal ends the queue. */
const pressedQ = (input: Queue.Dequeue<Terminal.UserInput, unknown>): Effect.Effect<void> =>
  Queue.take(input).pipe(
    Effect.repeat({ until: ({ input, key }) => key.name === "q" || Option.contains(input, "q") }),
    Effect.ignore
  )
