/**
 * Brokers as processes of the test's own, which may be killed.
 */
import { chownSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { until } from "../support/Patience.ts"
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
  /** Folder of its data; undefined where there are several. */
  readonly folder: string | undefined
  /** How many servers keep everything. */
  readonly replicas: number
  readonly kill: Effect.Effect<void>
  readonly start: Effect.Effect<void>
}

/** A broker by its program, which says `ready` when it can be asked. */
const make = Effect.fnUntraced(function* (
  program: string,
  argumentsOf: (port: string, folder: string) => ReadonlyArray<string>,
  ready: string,
  scheme: string
) {
  const scope = yield* Effect.scope
  const port = String(yield* freePort)
  const folder = yield* temporaryFolder
  const args = argumentsOf(port, folder)
  let process: Process.Process | undefined
  const start = Process.start(program, args).pipe(
    Scope.provide(scope),
    Effect.tap((started) => started.says(ready)),
    Effect.map((started) => {
      process = started
    })
  )
  yield* start
  return {
    url: `${scheme}://127.0.0.1:${port}`,
    folder,
    replicas: 1,
    kill: Effect.suspend(() => (process === undefined ? Effect.void : Effect.asVoid(process.end("SIGKILL")))),
    start
  } satisfies OwnBroker
})

/** Redis with its data on the disk. */
export const redis = make(
  "redis-server",
  (port, folder) => ["--port", port, "--dir", folder, "--appendonly", "yes", "--save", "", "--bind", "127.0.0.1"],
  "Ready to accept connections",
  "redis"
)

/** NATS with its data on the disk. */
export const nats = make(
  "nats-server",
  (port, folder) => ["--addr", "127.0.0.1", "--port", port, "--jetstream", "--store_dir", folder],
  "Server is ready",
  "nats"
)

/** A server of a cluster of NATS. It is up when it has everything that the others have. */
const natsMember = Effect.fnUntraced(function* (name: string, port: number, route: number, routes: string) {
  const scope = yield* Effect.scope
  const monitor = yield* freePort
  const args = ["--addr", "127.0.0.1", "--port", String(port), "--http_port", String(monitor), "--server_name", name]
  const store = ["--jetstream", "--store_dir", yield* temporaryFolder]
  const cluster = ["--cluster_name", "proof", "--cluster", `nats://127.0.0.1:${route}`, "--routes", routes]
  const isCurrent = Effect.promise(() =>
    fetch(`http://127.0.0.1:${monitor}/healthz`).then(
      ({ ok }) => ok,
      () => false
    )
  )
  let process: Process.Process | undefined
  return {
    start: Effect.gen(function* () {
      process = yield* Scope.provide(Process.start("nats-server", [...args, ...store, ...cluster]), scope)
    }),
    isUp: until(
      isCurrent,
      (is) => is,
      () => process?.description ?? ""
    ),
    kill: Effect.suspend(() => process?.end("SIGKILL") ?? Effect.void).pipe(Effect.asVoid)
  }
})

/**
 * Three servers of NATS that keep copies of everything. They are killed in turn, the next when the one before has caught up: what two of
 * three lack is lost.
 */
export const natsCluster = Effect.gen(function* () {
  const ports = yield* Effect.all([freePort, freePort, freePort].map((free) => Effect.zip(free, freePort)))
  const routes = ports.map(([, route]) => `nats://127.0.0.1:${route}`).join(",")
  const members = yield* Effect.forEach(ports, ([port, route], index) =>
    natsMember(`server${index}`, port, route, routes)
  )
  yield* Effect.forEach(members, ({ start }) => start)
  yield* Effect.forEach(members, ({ isUp }) => isUp)
  let turn = 0
  const next = Effect.suspend(() => {
    const member = members[turn]
    return member === undefined ? Effect.die(new Error("there is no such server")) : Effect.succeed(member)
  })
  return {
    url: ports.map(([port]) => `nats://127.0.0.1:${port}`).join(","),
    folder: undefined,
    replicas: 3,
    kill: Effect.flatMap(next, ({ kill }) => kill),
    start: Effect.tap(next, ({ isUp, start }) => Effect.andThen(start, isUp)).pipe(
      Effect.map(() => {
        turn = (turn + 1) % members.length
      })
    )
  } satisfies OwnBroker
})

/** Folder of PostgreSQL's programs, of the latest version that is installed. */
const postgresPrograms = Effect.sync(() => {
  const versions = "/usr/lib/postgresql"
  const [latest = ""] = readdirSync(versions).toSorted((one, other) => Number(other) - Number(one))
  return join(versions, latest, "bin")
})

/** Ids of the user and the group postgres. */
const postgresUser = Effect.sync(() => {
  const [, , user = "", group = ""] =
    readFileSync("/etc/passwd", "utf8")
      .split("\n")
      .find((line) => line.startsWith("postgres:"))
      ?.split(":") ?? []
  return { user: Number(user), group: Number(group) }
})

/** PostgreSQL with a cluster of its own. It does not run as root, who runs it as the user postgres. */
export const postgres = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const port = yield* freePort
  const folder = yield* temporaryFolder
  const programs = yield* postgresPrograms
  const isRoot = globalThis.process.getuid?.() === 0
  const { group, user } = isRoot ? yield* postgresUser : { group: 0, user: 0 }
  if (isRoot) yield* Effect.sync(() => chownSync(folder, user, group))
  const commandOf = (name: string, args: ReadonlyArray<string>): [string, ReadonlyArray<string>] => {
    const program = join(programs, name)
    const identity = ["--reuid", String(user), "--regid", String(group), "--clear-groups"]
    return isRoot ? ["setpriv", [...identity, program, ...args]] : [program, args]
  }
  const made = yield* Process.finish(
    ...commandOf("initdb", ["--pgdata", folder, "--username", "postgres", "--auth", "trust", "--no-sync"])
  )
  if (made.code !== 0) return yield* Effect.die(new Error(made.stderr))
  const settings = [`port=${port}`, "listen_addresses=127.0.0.1", "unix_socket_directories="]
  const options = ["-D", folder, ...settings.flatMap((setting) => ["-c", setting])]
  let process: Process.Process | undefined
  // One that was killed may still have processes that hold its memory, in whose presence the next does not start.
  const start: Effect.Effect<void> = Process.start(...commandOf("postgres", options)).pipe(
    Scope.provide(scope),
    Effect.flatMap((started) => {
      process = started
      const isReady = () => started.output.includes("ready to accept connections")
      return Effect.andThen(
        until(
          Effect.sync(() => isReady() || started.hasEnded),
          (is) => is,
          () => started.description
        ),
        Effect.suspend(() => (isReady() ? Effect.void : Effect.delay(start, "100 millis")))
      )
    })
  )
  yield* start
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    folder,
    replicas: 1,
    kill: Effect.suspend(() => (process === undefined ? Effect.void : Effect.asVoid(process.end("SIGKILL")))),
    start
  } satisfies OwnBroker
})

/** All, by their names. */
export const all: Readonly<Record<string, Effect.Effect<OwnBroker, never, Scope.Scope> | undefined>> = {
  redis,
  postgres,
  nats,
  "nats-cluster": natsCluster
}
