/**
 * Standard output: lines at the pace of their reader, who may also go away.
 */
import * as Effect from "effect/Effect"
import { isPlatformError, type PlatformError } from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"

/**
 * Writes a stream's strings, each as a line. Nothing is asked of the stream while the reader is behind. A reader that
 * goes away, as in `| head -3`, ends it like the end of the stream.
 */
export const writeLines = <E, R>(
  lines: Stream.Stream<string, E, R>
): Effect.Effect<void, E | PlatformError, R | Stdio.Stdio> =>
  Effect.flatMap(Stdio.Stdio, (stdio) =>
    lines.pipe(
      // What came together is written together: one system call instead of one a line.
      Stream.mapArray((chunk) => [`${chunk.join("\n")}\n`]),
      Stream.run(stdio.stdout()),
      Effect.catchIf(isReaderGone, () => Effect.void)
    )
  )

/** Writes one line. */
export const writeLine = (line: string): Effect.Effect<void, PlatformError, Stdio.Stdio> =>
  writeLines(Stream.succeed(line))

/**
 * Ends standard output and waits a second at most until its reader has everything: a process that is ended by a signal
 * loses what is still in Node's buffer.
 */
export const finish: Effect.Effect<void, never, Stdio.Stdio> = Effect.flatMap(Stdio.Stdio, (stdio) =>
  Stream.run(Stream.empty, stdio.stdout({ endOnDone: true })).pipe(Effect.timeoutOption("1 second"), Effect.ignore)
)

const isReaderGone = (error: unknown): boolean =>
  isPlatformError(error) && Predicate.hasProperty(error.reason.cause, "code") && error.reason.cause.code === "EPIPE"
