/**
 * A fleet of processes on the served simulator: they are started and ended at will, and what their programs were given is
 * compared with what the simulator dispatched.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"

/** A process that takes part in the fleet. */
export interface Machine {
  readonly port: number
  readonly pid: number
  /** What it has logged. */
  readonly output: () => string
  /** Ends it, and returns when it is gone. */
  readonly end: (signal: "SIGKILL" | "SIGTERM") => Effect.Effect<void>
  /** Freezes it, or lets it go on. */
  readonly signal: (signal: "SIGSTOP" | "SIGCONT") => Effect.Effect<void>
}

/** What became of the messages. */
export interface Tally {
  readonly dispatched: number
  readonly lost: number
  readonly duplicated: number
}

/** The tests run this file as it is, the proof as it was compiled. */
const script = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "./dist/cluster-proof/machine.js" : "./machine.js", import.meta.url)
)

/** A port that is free at the moment. */
export const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

/** Puts a fleet together, which has no machine yet. */
export const make = Effect.fnUntraced(function* (options: {
  readonly shards: number
  readonly databaseUrl: string
  readonly env?: Record<string, string>
}) {
  const simulator = yield* DiscordSimulator
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "disruption-gateway-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
  const record = join(folder, "record")
  writeFileSync(record, "")
  const dispatched: Array<number> = Array.from({ length: options.shards }, () => 0)

  /** Starts a machine, which is killed with the scope if it is still there. */
  const start = (env: Record<string, string> = {}) =>
    Effect.gen(function* () {
      const port = yield* freePort
      const { child, gone, output } = yield* Effect.acquireRelease(
        Effect.sync(() => {
          const child = spawn(process.execPath, [script], {
            stdio: ["ignore", "pipe", "pipe"],
            env: {
              PATH: process.env["PATH"],
              DISCORD_TOKEN: Redacted.value(simulator.token),
              DISCORD_API_URL: simulator.apiUrl,
              DISCORD_SHARDS: String(options.shards),
              CLUSTER_HOST: "127.0.0.1",
              CLUSTER_PORT: String(port),
              CLUSTER_LISTEN_HOST: "127.0.0.1",
              DATABASE_URL: options.databaseUrl,
              PROOF_RECORD: record,
              ...options.env,
              ...env
            }
          })
          let output = ""
          child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text))
          child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text))
          const gone = new Promise<void>((resolve) => child.once("close", () => resolve()))
          return { child, gone, output: () => output }
        }),
        ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
      )
      return {
        port,
        output,
        pid: child.pid ?? 0,
        signal: (signal) => Effect.sync(() => void child.kill(signal)),
        end: (signal) =>
          Effect.andThen(
            Effect.sync(() => child.kill(signal)),
            Effect.promise(() => gone)
          )
      } satisfies Machine
    })

  /** The shards that have a session on an open connection. */
  const connected = Effect.map(
    simulator.connections,
    (connections) =>
      new Set(connections.flatMap(({ end, shard }) => (end === undefined && shard !== undefined ? [shard] : [])))
  )

  /** Waits until every shard is connected, and gives the time that it took. Dies after a while. */
  const allConnected = (within: Duration.Input) =>
    connected.pipe(
      Effect.repeat({ until: (shards) => shards.size === options.shards, schedule: Schedule.spaced("50 millis") }),
      Effect.timeoutOrElse({
        duration: within,
        orElse: () =>
          Effect.flatMap(connected, ({ size }) =>
            Effect.die(new Error(`${size} of ${options.shards} shards are connected after ${String(within)}`))
          )
      }),
      Effect.timed,
      Effect.map(([time]) => time)
    )

  /** Waits until no shard is connected, and gives the time that it took. Dies after a while. */
  const noneConnected = (within: Duration.Input) =>
    connected.pipe(
      Effect.repeat({ until: (shards) => shards.size === 0, schedule: Schedule.spaced("50 millis") }),
      Effect.timeoutOrElse({
        duration: within,
        orElse: () => Effect.die(new Error(`shards are still connected after ${String(within)}`))
      }),
      Effect.timed,
      Effect.map(([time]) => time)
    )

  /** Dispatches one message to every tenth shard's session, from one of the first ten on. */
  const dispatch = (from: number) =>
    Effect.gen(function* () {
      for (let shard = from; shard < options.shards; shard += 10) {
        const id = dispatched[shard] ?? 0
        const reached = yield* simulator.dispatch("MESSAGE_CREATE", { id: String(id) }, { shard })
        if (reached > 0) dispatched[shard] = id + 1
      }
    })

  /** Dispatches that many messages a second and shard, spread over the second, as long as the scope lives. */
  const traffic = (perSecond: number) =>
    Effect.forEach(
      Array.from({ length: 10 }, (_, from) => from),
      (from) => Effect.delay(dispatch(from), Duration.millis(100 / perSecond))
    ).pipe(Effect.forever, Effect.forkScoped)

  const tally = Effect.sync((): Tally => {
    const seen = new Map<string, number>()
    for (const line of readFileSync(record, "utf8").split("\n")) {
      if (line !== "") seen.set(line, (seen.get(line) ?? 0) + 1)
    }
    let lost = 0
    let duplicated = 0
    let total = 0
    for (const [shard, count] of dispatched.entries()) {
      for (let id = 0; id < count; id++) {
        total += 1
        const times = seen.get(`${shard} ${id}`) ?? 0
        if (times === 0) lost += 1
        duplicated += Math.max(0, times - 1)
      }
    }
    return { dispatched: total, lost, duplicated }
  })

  /** What became of the messages, once nothing is under way any more. */
  const settled = Effect.gen(function* () {
    const until = (yield* Clock.currentTimeMillis) + 30_000
    while (true) {
      const now = yield* tally
      if (now.lost === 0 || (yield* Clock.currentTimeMillis) > until) return now
      yield* Effect.sleep("200 millis")
    }
  })

  return { simulator, start, connected, allConnected, noneConnected, traffic, settled }
})
