/**
 * Standard output with backpressure from its reader, which may also go away.
 *
 * A line is written when it has left this process: a payload is handled when its reader has it, not when Node.js has put it
 * into a buffer. Effect's sink goes on as soon as the buffer takes more, so Node's own
 * callback is waited for here.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

/** Writing to standard output failed, for example on a full disk. */
export class OutputFailed extends Schema.TaggedError<OutputFailed>("disruption-gateway/OutputFailed")("OutputFailed", {
  code: Schema.String,
  description: Schema.String
}) {
  override get message() {
    return `Standard output: ${this.description}`
  }
}

/** A line, and what follows when its reader has it. */
export interface Line {
  /** Without a text nothing is written, and what follows comes in its turn. */
  readonly text?: string
  readonly written?: Effect.Effect<void>
}

/** Writes a stream's lines. A reader that goes away, as in `| head -3`, ends it like the stream's end. */
export const writeLines = <E, R>(lines: Stream.Stream<Line, E, R>): Effect.Effect<void, E | OutputFailed, R> =>
  lines.pipe(
    Stream.runForEachArray((chunk) =>
      Effect.forEach(
        piecesOf(chunk),
        (piece) =>
          Effect.andThen(
            write(piece.map(({ text }) => (text === undefined ? "" : `${text}\n`)).join("")),
            Effect.forEach(piece, ({ written }) => written ?? Effect.void, { discard: true })
          ),
        { discard: true }
      )
    ),
    Effect.catchIf(isReaderGone, () => Effect.void)
  )

/** Lines that came together are written together, one system call instead of one a line; but no more than a pipe holds. */
const piecesOf = (lines: ReadonlyArray<Line>): ReadonlyArray<ReadonlyArray<Line>> => {
  const pieces: Array<ReadonlyArray<Line>> = []
  let piece: Array<Line> = []
  let size = 0
  for (const line of lines) {
    piece.push(line)
    size += line.text?.length ?? 0
    if (size < pieceSize) continue
    pieces.push(piece)
    piece = []
    size = 0
  }
  return piece.length === 0 ? pieces : [...pieces, piece]
}

const pieceSize = 65_536

/** Writes one line. */
export const writeLine = (line: string): Effect.Effect<void, OutputFailed> => writeLines(Stream.succeed({ text: line }))

/**
 * Flush and end of standard output: waits until its reader has everything, or has taken nothing for a second. Without
 * it, a process that a signal ends would lose Node's buffer.
 */
export const finish: Effect.Effect<void> = Effect.suspend(() =>
  Effect.raceFirst(
    Effect.callback<void>((resume) => {
      process.stdout.end(() => resume(Effect.void))
    }),
    stalled
  )
)

const stalled: Effect.Effect<void> = Effect.suspend(() => {
  const before = process.stdout.writableLength
  return Effect.andThen(
    Effect.sleep("1 second"),
    Effect.suspend(() => (process.stdout.writableLength === before ? Effect.void : stalled))
  )
})

/** Writes text unchanged. */
export const write = (text: string): Effect.Effect<void, OutputFailed> =>
  Effect.callback((resume) => {
    // An `error` event without a listener would end the process.
    if (process.stdout.listenerCount("error") === 0) process.stdout.on("error", () => {})
    process.stdout.write(text, (error) => resume(error == null ? Effect.void : Effect.fail(failure(error))))
  })

const failure = (error: NodeJS.ErrnoException): OutputFailed =>
  new OutputFailed({ code: error.code ?? "", description: error.message })

const isReaderGone = (error: unknown): boolean => Schema.is(OutputFailed)(error) && error.code === "EPIPE"
