/**
 * Runs of the command with a session file: the file, in a folder that goes with the scope, and the messages in what was printed.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"

/** The path of a session file. */
export const temporaryFile = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "sessions-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
).pipe(Effect.map((folder) => join(folder, "sessions.json")))

/** The numbers of the messages in lines of JSON; a line that was cut off does not count. */
export const numbersIn = (stdout: string) =>
  stdout
    .split("\n")
    .slice(0, -1)
    .flatMap((line) => {
      const { d, t }: { d: { n: number }; t: string } = JSON.parse(line)
      return t === "MESSAGE_CREATE" ? [d.n] : []
    })
