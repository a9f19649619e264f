/**
 * Brokers as processes of the test's own, which may be killed.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Process from "../support/Process.ts"

/** A port that is free at the moment. */
const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "broker-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** A broker that can be killed and started again on the same data. */
export interface OwnBroker {
  readonly url: string
  readonly kill: Effect.Effect<void>
  readonly start: Effect.Effect<void>
}

/** Redis with its data on the disk. */
export const redis = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const port = yield* freePort
  const folder = yield* temporaryFolder
  const options = ["--port", String(port), "--dir", folder, "--appendonly", "yes", "--save", "", "--bind", "127.0.0.1"]
  let process: Process.Process | undefined
  const start = Process.start("redis-server", options).pipe(
    Scope.provide(scope),
    Effect.tap((started) => started.says("Ready to accept connections")),
    Effect.map((started) => {
      process = started
    })
  )
  yield* start
  return {
    url: `redis://127.0.0.1:${port}`,
    kill: Effect.suspend(() => (process === undefined ? Effect.void : Effect.asVoid(process.end("SIGKILL")))),
    start
  } satisfies OwnBroker
})

/** All, by their names. */
export const all: Readonly<Record<string, Effect.Effect<OwnBroker, never, Scope.Scope> | undefined>> = { redis }
