/**
 * Standard output with backpressure from its reader, which may also go away.
 *
 * A stream is pulled only after its last chunk has left this process, so a payload counts as handled when its reader
 * has it, not when Node.js has buffered it. Effect's sink continues once the buffer has room, so this module waits for
 * the callback of `write` instead.
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

/** Writes a stream's strings as lines. A reader that goes away, as in `| head -3`, counts as the stream's end. */
export const writeLines = <E, R>(lines: Stream.Stream<string, E, R>): Effect.Effect<void, E | OutputFailed, R> =>
  lines.pipe(
    Stream.runForEachArray((chunk) => Effect.forEach(piecesOf(chunk), write, { discard: true })),
    Effect.catchIf(isReaderGone, () => Effect.void)
  )

/** Batching of lines: one system call for a chunk instead of one per line, but at most as much as a pipe holds. */
const piecesOf = (lines: ReadonlyArray<string>): ReadonlyArray<string> => {
  const pieces: Array<string> = []
  let piece = ""
  for (const line of lines) {
    piece += `${line}\n`
    if (piece.length < pieceSize) continue
    pieces.push(piece)
    piece = ""
  }
  return piece === "" ? pieces : [...pieces, piece]
}

const pieceSize = 65_536

/** Writes one line. */
export const writeLine = (line: string): Effect.Effect<void, OutputFailed> => writeLines(Stream.succeed(line))

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
