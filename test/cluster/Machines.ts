/**
 * A cluster of processes on the served simulator: they are started and ended at will, and what their programs were given is
 * compared with what the simulator dispatched.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import { until, untilTrue } from "../support/Patience.ts"
import * as Process from "../support/Process.ts"
import { MessageRecord } from "./MessageRecord.ts"
import type * as Network from "./Network.ts"

/** A process that takes part in the cluster. */
export interface Machine {
  readonly process: Process.Process
  readonly port: number
  readonly pid: number
  /** The shards whose programs run on it. */
  readonly shards: () => ReadonlySet<number>
  /** Its part of the network, where it has one of its own. */
  readonly network: Network.Attached | undefined
  /** Ends it, and returns when it is gone. */
  readonly end: (signal: "SIGKILL" | "SIGTERM") => Effect.Effect<void>
  /** Freezes it, lets it go on, or has its program block the event loop for PROOF_BLOCK milliseconds; or has it reshard. */
  readonly signal: (signal: "SIGSTOP" | "SIGCONT" | "SIGUSR1" | "SIGUSR2") => Effect.Effect<void>
  /** Number of the cluster's shards that it finds ready when it asks for all of them. */
  readonly sees: Effect.Effect<number>
}

/** `npm run build:test` bundles it. */
const script = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "../dist/machine.js" : "./machine.js", import.meta.url)
)

/** A port that is free at the moment. */
export const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

/** Puts a cluster together, which has no machine yet. */
export const make = Effect.fnUntraced(function* (options: {
  readonly shards: number
  readonly databaseUrl: string
  readonly env?: Record<string, string>
  readonly network?: Effect.Success<typeof Network.make>
}) {
  const simulator = yield* DiscordSimulator
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "disruption-gateway-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
  const record = join(folder, "record")
  writeFileSync(record, "")
  const reader = yield* Effect.acquireRelease(
    Effect.sync(() => new MessageRecord(record)),
    ({ close }) => Effect.sync(close)
  )
  const dispatched: Array<number> = Array.from({ length: options.shards }, () => 0)

  const started: Array<Process.Process> = []
  const describe = () => started.map(({ description }) => description).join("\n\n")

  /** Starts a machine, of PROOF_PROGRAM if that is given, which is killed with the scope if it is still there. */
  const start = (env: Process.Environment = {}) =>
    Effect.gen(function* () {
      const port = yield* freePort
      const network = options.network === undefined ? undefined : yield* options.network.attach
      const host = network?.address ?? "127.0.0.1"
      const program = env["PROOF_PROGRAM"] ?? script
      const [command = "", ...args] = [...(network?.command ?? []), process.execPath, program]
      const machine = yield* Process.start(command, args, {
        env: {
          DISCORD_TOKEN: Redacted.value(simulator.token),
          DISCORD_API_URL: simulator.apiUrl,
          DISCORD_SHARDS: String(options.shards),
          CLUSTER_HOST: host,
          CLUSTER_PORT: String(port),
          CLUSTER_LISTEN_HOST: host,
          DATABASE_URL: options.databaseUrl,
          PROOF_RECORD: record,
          ...options.env,
          ...env
        }
      })
      started.push(machine)
      return {
        process: machine,
        port,
        network,
        pid: machine.pid,
        shards: () => shardsIn(machine.stdout),
        signal: machine.signal,
        sees: Effect.suspend(() => {
          const before = seenBy(machine.stdout).length
          return Effect.andThen(
            machine.signal("SIGHUP"),
            Effect.andThen(
              machine.until(({ stdout }) => seenBy(stdout).length > before, "count the shards that it sees"),
              Effect.sync(() => seenBy(machine.stdout).at(-1) ?? 0)
            )
          )
        }),
        end: (signal) => Effect.asVoid(machine.end(signal))
      } satisfies Machine
    })

  /** The shards that have a session on an open connection. */
  const connected = Effect.map(
    simulator.connections,
    (connections) =>
      new Set(connections.flatMap(({ end, shard }) => (end === undefined && shard !== undefined ? [shard] : [])))
  )

  const timed = <A>(effect: Effect.Effect<A>) => Effect.map(Effect.timed(effect), ([time]) => time)

  /** Waits until every shard is connected, and gives the time that it took. */
  const allConnected = timed(until(connected, (shards) => shards.size === options.shards, describe))

  /** Waits until no shard is connected, and gives the time that it took. */
  const noneConnected = timed(until(connected, (shards) => shards.size === 0, describe))

  /** Waits until each of these machines has shards, and all shards are on them and connected. */
  const spreadOver = (...machines: ReadonlyArray<Machine>) =>
    Effect.andThen(
      untilTrue(
        () =>
          machines.every((machine) => machine.shards().size > 0) &&
          machines.reduce((sum, machine) => sum + machine.shards().size, 0) === options.shards,
        describe
      ),
      allConnected
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

  const traffics: Array<Fiber.Fiber<never>> = []

  /** Dispatches that many messages a second and shard, spread over the second, until `outcome`. */
  const traffic = (perSecond: number) =>
    Effect.forEach(
      Array.from({ length: 10 }, (_, from) => from),
      (from) => Effect.delay(dispatch(from), Duration.millis(100 / perSecond))
    ).pipe(
      Effect.forever,
      Effect.forkScoped,
      Effect.map((fiber) => void traffics.push(fiber))
    )

  const tally = Effect.sync(() => reader.tally(dispatched))

  /** Waits until each shard has handled a message that is dispatched from now on, and gives the time that it took. */
  const handling = timed(
    Effect.suspend(() => {
      const now = [...dispatched]
      return untilTrue(() => reader.isBeyond(now), describe)
    })
  )

  /** Stops the traffic, waits until no message is under way any more, and gives what became of all. */
  const outcome = Effect.gen(function* () {
    yield* Fiber.interruptAll(traffics)
    const wellDone = yield* Effect.exit(until(tally, ({ lost }) => lost === 0))
    return Exit.isSuccess(wellDone) ? wellDone.value : yield* tally
  })

  return {
    simulator,
    start,
    /** What the programs have written down so far: lines of shard, message and machine. */
    recorded: Effect.sync(() => readFileSync(record, "utf8")),
    /** Output of all machines. */
    describe,
    connected,
    allConnected,
    noneConnected,
    spreadOver,
    traffic,
    handling,
    /** How many messages were handled so far. */
    handled: Effect.sync(() => reader.handled()),
    /** How many messages were dispatched so far. */
    dispatched: () => dispatched.reduce((sum, count) => sum + count, 0),
    outcome
  }
})

/** What a machine has said of the shards that it sees. */
const seenBy = (stdout: string): ReadonlyArray<number> =>
  Array.from(stdout.matchAll(/^sees (\d+)$/gm), ([, count]) => Number(count))

/** The shards of which a machine has said that they are there, and not that they are gone. */
const shardsIn = (stdout: string): ReadonlySet<number> => {
  const shards = new Set<number>()
  for (const [, sign, shard] of stdout.matchAll(/^([+-])(\d+)$/gm)) {
    if (sign === "+") shards.add(Number(shard))
    else shards.delete(Number(shard))
  }
  return shards
}
