// Puts the cluster to the proof: `npm run cluster:prove -- --only "pause,power cut" 3` puts it through these troubles, thrice each, and
// writes what it counted into docs/cluster.md; `--only idle` measures what an idle cluster costs. `-- kills 20`, `rolling`, `start`,
// `outage`, `memory`, `database` and others print what they counted. Without arguments all of them. Fails where an event was
// lost, or Discord's limits were broken.
import { existsSync, readFileSync } from "node:fs"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Console, Duration, Effect, Exit, Random, Schedule } from "effect"
import * as Arr from "effect/Array"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as MeasuredTable from "../support/MeasuredTable.ts"
import * as Database from "./Database.ts"
import * as Machines from "./Machines.ts"
import * as Network from "./Network.ts"
import * as Proxy from "./Proxy.ts"
import { type Trouble, troubles } from "./Troubles.ts"

/** Tables of docs/cluster.md. */
const tables = {
  guaranteed: { page: "cluster.md", table: "guaranteed" },
  troubles: { page: "cluster.md", table: "troubles" },
  idle: { page: "cluster.md", table: "idle" }
}

const perSecond = 5

const discord = (shards: number, maxConcurrency = 16, host = "127.0.0.1") =>
  DiscordSimulator.serve({
    shards,
    host,
    // By its heartbeats a machine finds out that it is cut off, and by the same Discord would end the session at that moment.
    ...(host === "127.0.0.1" ? {} : { heartbeatInterval: "5 seconds", heartbeatTimeout: false }),
    maxConcurrency,
    // Each shard may need several connections until the cluster is at rest; one that is forgotten would count as lost.
    history: Math.max(2000, 8 * shards),
    sessionStartLimit: { total: 100_000 },
    replayBuffer: 100_000,
    forgetsAcknowledged: true
  })

const seconds = (time: Duration.Duration) => `${Duration.toSeconds(time).toFixed(1)} s`

const spread = (times: ReadonlyArray<Duration.Duration>) => {
  const sorted = Arr.sort(times, Duration.Order)
  const at = (share: number) => seconds(sorted[Math.floor((sorted.length - 1) * share)] ?? Duration.zero)
  // Of two there is no middle one.
  return sorted.length < 3 ? `min ${at(0)}, max ${at(1)}` : `min ${at(0)}, median ${at(0.5)}, max ${at(1)}`
}

/** Three machines, all shards on, constant traffic. */
const clusterOf = Effect.fnUntraced(function* (shards: number, databaseUrl: string) {
  const cluster = yield* Machines.make({ shards, databaseUrl })
  const machines = yield* Effect.all([cluster.start(), cluster.start(), cluster.start()])
  const started = yield* cluster.allConnected
  yield* Console.log(`${shards} shards on 3 machines were ready after ${seconds(started)}`)
  yield* cluster.traffic(perSecond)
  yield* Effect.sleep("8 seconds")
  const { identifies } = yield* cluster.simulator.counts
  yield* Console.log(`  IDENTIFYs so far: ${identifies}`)
  return { ...cluster, machines, identifies }
})

/** Result of the run. */
const report = Effect.fnUntraced(function* (
  cluster: Effect.Success<ReturnType<typeof Machines.make>>,
  identifies: number
) {
  const tally = yield* cluster.outcome
  const counts = yield* cluster.simulator.counts
  yield* Console.log(
    `  dispatched ${tally.dispatched}, lost ${tally.lost}, seen twice ${tally.duplicated}; ` +
      `IDENTIFYs ${counts.identifies} (${counts.identifies - identifies} since the cluster was up), ` +
      `RESUMEs ${counts.resumes}, IDENTIFYs too early ${counts.identifyViolations}`
  )
  if (tally.lost > 0 || counts.identifyViolations > 0 || counts.overruns > 0) {
    return yield* Effect.die(new Error("the cluster did not stand the proof"))
  }
  return (
    `${tally.dispatched.toLocaleString("en")} events, ${tally.lost} lost, ${tally.duplicated} seen twice; ` +
    `${counts.identifies - identifies} IDENTIFYs, ${counts.resumes} RESUMEs`
  )
})

/** Kills a machine again and again, at moments that nobody chose, and starts another in its place. */
const kills = Effect.fnUntraced(
  function* (times: number) {
    const shards = 64
    const database = yield* Database.make
    const cluster = yield* clusterOf(shards, database.url())
    const seen: Record<string, string> = {}
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      const took: Array<Duration.Duration> = []
      for (let i = 0; i < times; i++) {
        yield* Effect.sleep(Duration.millis(yield* Random.nextIntBetween(0, 8000)))
        const [victim, ...others] = yield* Random.shuffle(cluster.machines)
        if (victim === undefined) continue
        const before = (yield* cluster.connected).size
        const [time] = yield* Effect.timed(
          Effect.gen(function* () {
            yield* victim.end(signal)
            yield* Effect.sleep("100 millis")
            yield* cluster.allConnected
          })
        )
        took.push(time)
        yield* Console.log(`  ${signal} ${i + 1} of ${times}, ${before} shards connected: ${seconds(time)}`)
        cluster.machines.splice(0, cluster.machines.length, ...others, yield* cluster.start())
      }
      yield* Console.log(`${signal} to all ${shards} shards connected: ${spread(took)}`)
      seen[signal] = `${times} times: ${spread(took)} to all shards connected`
    }
    const result = yield* report(cluster, shards)
    yield* MeasuredTable.writeLastCell(tables.guaranteed, "a machine is killed", `${seen["SIGKILL"]}`)
    yield* MeasuredTable.writeLastCell(tables.guaranteed, "a machine is told to stop", `${seen["SIGTERM"]}`)
    yield* MeasuredTable.writeLastCell(tables.guaranteed, "both, in one run", result)
  },
  Effect.scoped,
  Effect.provide(discord(64, 64))
)

/** Replaces all machines, one after the other. */
const rolling = Effect.gen(function* () {
  const database = yield* Database.make
  const cluster = yield* clusterOf(64, database.url())
  const [time] = yield* Effect.timed(
    Effect.gen(function* () {
      for (const machine of cluster.machines) {
        yield* cluster.start()
        yield* Effect.sleep("5 seconds")
        yield* machine.end("SIGTERM")
        yield* cluster.allConnected
      }
    })
  )
  yield* Console.log(`a rolling restart of three machines took ${seconds(time)}`)
  const [fourth] = yield* Effect.all([cluster.start()])
  const [joining] = yield* Effect.timed(
    Effect.andThen(
      fourth.process.until(({ stdout }) => /^\+\d+$/m.test(stdout), "have a shard"),
      cluster.allConnected
    )
  )
  const result = yield* report(cluster, cluster.identifies)
  yield* MeasuredTable.writeLastCell(
    tables.guaranteed,
    "all machines are replaced",
    `3 machines in ${seconds(time)}: ${result}`
  )
  yield* MeasuredTable.writeLastCell(
    tables.guaranteed,
    "a machine joins",
    `connected ${seconds(joining)} after its process began`
  )
}).pipe(Effect.scoped, Effect.provide(discord(64, 64)))

/** The first start of a large bot; a machine is killed in the midst of it. */
const start = Effect.fnUntraced(
  function* (isKilled: boolean, redis?: string) {
    const shards = 256
    const database = yield* Database.make
    const cluster = yield* Machines.make({
      shards,
      databaseUrl: database.url(),
      ...(redis === undefined ? {} : { env: { REDIS_URL: redis, CLUSTER_NAME: "disruption_gateway_proof" } })
    })
    const [victim] = yield* Effect.all([cluster.start(), cluster.start(), cluster.start()])
    yield* cluster.traffic(1)
    if (isKilled) {
      yield* Effect.sleep("40 seconds")
      yield* Console.log(`  killed one with ${(yield* cluster.connected).size} of ${shards} shards connected`)
      yield* victim.end("SIGKILL")
    }
    const time = yield* cluster.allConnected
    yield* Console.log(
      `first start of ${shards} shards at max_concurrency 16, limits in ${redis === undefined ? "PostgreSQL" : "Redis"}: ` +
        `${seconds(isKilled ? Duration.sum(time, Duration.seconds(40)) : time)} (the limit allows ${(shards / 16 - 1) * 5} s)`
    )
    const result = yield* report(cluster, shards)
    if (redis !== undefined) return
    yield* MeasuredTable.writeLastCell(
      tables.guaranteed,
      isKilled ? "the first start, of which a machine is killed" : "the first start",
      `256 shards, \`max_concurrency\` 16: ${seconds(isKilled ? Duration.sum(time, Duration.seconds(40)) : time)}; ${result}`
    )
  },
  Effect.scoped,
  Effect.provide(discord(256))
)

/** The database goes away for half a minute, in silence and with an answer. */
const outage = Effect.fnUntraced(
  function* (how: "silent" | "refused") {
    const database = yield* Database.make
    const proxy = yield* Proxy.make(Database.server)
    const cluster = yield* clusterOf(64, database.url(proxy))
    yield* how === "silent" ? proxy.stall : proxy.refuse
    const connectedDuring: Array<number> = []
    for (let i = 0; i < 30; i++) {
      yield* Effect.sleep("1 second")
      connectedDuring.push((yield* cluster.connected).size)
    }
    yield* proxy.restore
    const time = yield* cluster.allConnected
    yield* Console.log(
      `database ${how} for 30 s: shards connected in each second ${connectedDuring.join(" ")}; ` +
        `all connected ${seconds(time)} after it was back`
    )
    const result = yield* report(cluster, cluster.identifies)
    const stopped = connectedDuring.indexOf(0)
    if (stopped < 0) return yield* Effect.die(new Error("shards went on without the database"))
    if (how === "refused") return
    yield* MeasuredTable.writeLastCell(
      tables.guaranteed,
      "the database is cut off for 30 s",
      `none connected after ${stopped + 1} s, all back ${seconds(time)} after; ${result}`
    )
  },
  Effect.scoped,
  Effect.provide(discord(64, 64))
)

/** Load on the database. */
const database = Effect.fnUntraced(
  function* (env: Record<string, string>, what: string) {
    const database = yield* Database.make
    const cluster = yield* Machines.make({ shards: 64, databaseUrl: database.url(), env })
    yield* Effect.all([cluster.start(), cluster.start(), cluster.start()])
    yield* cluster.allConnected
    yield* Effect.sleep("10 seconds")
    const measure = Effect.gen(function* () {
      const before = yield* database.transactions
      yield* Effect.sleep("20 seconds")
      return ((yield* database.transactions) - before) / 20
    })
    const idle = yield* measure
    yield* cluster.traffic(perSecond)
    const busy = yield* measure
    yield* Console.log(
      `${what}: ${idle.toFixed(1)} transactions a second while nothing happens, ${busy.toFixed(1)} with ` +
        `${perSecond * 64} events a second, for 3 machines and 64 shards`
    )
  },
  Effect.scoped,
  Effect.provide(discord(64, 64))
)

/** Memory of a shard. */
const memory = Effect.fnUntraced(
  function* (shards: number) {
    const database = yield* Database.make
    const cluster = yield* Machines.make({ shards, databaseUrl: database.url() })
    const machine = yield* cluster.start()
    yield* cluster.allConnected
    yield* Effect.sleep("25 seconds")
    const [, kib = "0"] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${machine.pid}/status`, "utf8")) ?? []
    yield* Console.log(`one machine with ${shards} quiet shards: ${(Number(kib) / 1024).toFixed(0)} MiB`)
    yield* cluster.traffic(1)
    yield* Effect.sleep("5 seconds")
    const beforeTraffic = yield* database.transactions
    yield* Effect.sleep("15 seconds")
    const busy = ((yield* database.transactions) - beforeTraffic) / 15
    yield* Console.log(`  ${busy.toFixed(1)} transactions a second with one event a second for each shard`)
    const [stopping] = yield* Effect.timed(machine.end("SIGTERM"))
    yield* Console.log(`  ${seconds(stopping)} from SIGTERM to its end`)
  },
  Effect.scoped,
  (effect, shards) => Effect.provide(effect, discord(shards, shards))
)

/** Puts a cluster through a trouble again and again, and writes a row of the table. */
const through = Effect.fnUntraced(
  function* (
    name: string,
    { after, cause, env, isFromBeginning, what }: Trouble,
    times: number,
    network: Effect.Success<typeof Network.make> | undefined
  ) {
    const shards = 32
    const database = yield* Database.make
    const proxy = yield* Proxy.make(Database.server, network?.addressOf("database"))
    const cluster = yield* Machines.make({
      shards,
      databaseUrl: database.url(proxy),
      ...(network === undefined ? {} : { network })
    })
    let place = 0
    const start = Effect.suspend(() => cluster.start(env?.(place++)))
    const machines = yield* Effect.all([start, start, start])
    const arranged = { cluster, database, proxy, machines, start }
    yield* cluster.spreadOver(...machines)
    const { identifies } = yield* cluster.simulator.counts
    yield* cluster.traffic(perSecond)
    yield* cluster.handling
    const took: Array<Duration.Duration> = []
    for (let i = 0; i < times; i++) {
      yield* Effect.sleep(Duration.millis(yield* Random.nextIntBetween(2000, 5000)))
      const [caused, given] = yield* Effect.timed(cause(arranged))
      const handled = yield* cluster.handling
      if (Duration.isDuration(given)) took.push(given)
      else took.push(isFromBeginning === true ? Duration.sum(caused, handled) : handled)
      yield* after?.(arranged) ?? Effect.void
      yield* cluster.handling
    }
    const { atOnce, dispatched, duplicated, lost, outOfOrder } = yield* cluster.outcome
    const counts = yield* cluster.simulator.counts
    const row = [
      name,
      what,
      String(times),
      dispatched.toLocaleString("en"),
      String(lost),
      String(atOnce),
      String(duplicated),
      String(outOfOrder),
      String(counts.identifies - identifies),
      spread(took)
    ]
    yield* Console.log(row.join("; "))
    yield* MeasuredTable.writeRow(tables.troubles, row)
    if (lost + atOnce + outOfOrder + counts.identifyViolations > 0) {
      return yield* Effect.die(new Error(`the cluster did not stand the trouble: ${name}`))
    }
  },
  Effect.scoped,
  (effect, _name, _trouble, _times, network) => Effect.provide(effect, discord(32, 32, network?.addressOf("discord")))
)

/** Trouble on a network that is laid for it, where this computer has one. */
const throughNetwork = Effect.fnUntraced(function* (name: string, trouble: Trouble, times: number) {
  if (!Network.isPossible()) return yield* Console.log(`skipped: ${name} takes network namespaces`)
  yield* through(name, trouble, times, yield* Network.make)
}, Effect.scoped)

/** Resharding, of which another machine is killed at first, then the one that does it. */
const reshard = Effect.fnUntraced(
  function* (times: number) {
    const shards = 32
    const database = yield* Database.make
    const took: Array<Duration.Duration> = []
    const cluster = yield* Machines.make({ shards, databaseUrl: database.url(), env: { PROOF_RESHARD: "48" } })
    const machines = yield* Effect.all([cluster.start(), cluster.start(), cluster.start()])
    yield* cluster.spreadOver(...machines)
    yield* cluster.traffic(perSecond)
    yield* cluster.handling
    let total = shards
    const totals = new Set<number>([shards])
    for (let i = 0; i < times; i++) {
      total = total === shards ? 48 : shards
      totals.add(total)
      // Those that were told of the other number are replaced by such as know this one.
      const fresh = yield* Effect.forEach([0, 1], () => cluster.start({ PROOF_RESHARD: String(total) }))
      const [caller, other] = fresh
      if (caller === undefined || other === undefined) continue
      machines.push(...fresh)
      yield* Effect.sleep("5 seconds")
      const [time] = yield* Effect.timed(
        Effect.gen(function* () {
          yield* caller.signal("SIGUSR1")
          yield* Effect.sleep(Duration.millis(yield* Random.nextIntBetween(500, 9000)))
          const isCallerHit = i % 2 === 1
          yield* (isCallerHit ? caller : other).end("SIGKILL")
          const doer = isCallerHit ? other : caller
          if (isCallerHit) yield* doer.signal("SIGUSR1")
          yield* doer.process.until(({ stdout }) => stdout.includes("resharded\n"), "reshard")
          yield* cluster.handling
        })
      )
      took.push(time)
      for (const machine of machines.splice(0, 2)) yield* machine.end("SIGTERM")
      yield* cluster.handling
    }
    const { dispatched, duplicated, lost } = yield* cluster.outcome
    const counts = yield* cluster.simulator.counts
    const row = [
      "reshard",
      "from 32 to 48 shards, or back, while a machine is killed, every second time the one that does it",
      String(times),
      dispatched.toLocaleString("en"),
      String(lost),
      "twice by intent",
      String(duplicated),
      "–",
      // The sessions of a number that comes back are there still, and resumed.
      String(counts.identifies - Array.from(totals).reduce((sum, count) => sum + count, 0)),
      spread(took)
    ]
    yield* Console.log(row.join("; "))
    yield* MeasuredTable.writeRow(tables.troubles, row)
    if (lost + counts.identifyViolations > 0) {
      return yield* Effect.die(new Error("the cluster did not stand the trouble: reshard"))
    }
  },
  Effect.scoped,
  Effect.provide(discord(48, 48))
)

/** Three machines start at once on an empty database, again and again. */
const empty = Effect.fnUntraced(function* (times: number) {
  const shards = 32
  const runs = yield* Effect.forEach(
    Array.from({ length: times }),
    Effect.fnUntraced(
      function* () {
        const database = yield* Database.make
        const cluster = yield* Machines.make({ shards, databaseUrl: database.url() })
        yield* Effect.all([cluster.start(), cluster.start(), cluster.start()])
        const time = yield* cluster.allConnected
        yield* cluster.traffic(perSecond)
        yield* Effect.sleep("5 seconds")
        return { ...(yield* cluster.outcome), ...(yield* cluster.simulator.counts), time }
      },
      Effect.scoped,
      Effect.provide(discord(shards, shards))
    )
  )
  const sum = (count: (run: (typeof runs)[number]) => number) => runs.reduce((all, run) => all + count(run), 0)
  const row = [
    "empty",
    "three machines start at once on an empty database; IDENTIFYs beyond the first of each shard",
    String(times),
    sum(({ dispatched }) => dispatched).toLocaleString("en"),
    ...[
      sum(({ lost }) => lost),
      sum(({ atOnce }) => atOnce),
      sum(({ duplicated }) => duplicated),
      sum(({ outOfOrder }) => outOfOrder),
      sum(({ identifies }) => identifies - shards)
    ].map(String),
    spread(runs.map(({ time }) => time))
  ]
  yield* Console.log(row.join("; "))
  yield* MeasuredTable.writeRow(tables.troubles, row)
})

/** Cost of a cluster of three machines to which nothing happens. */
const idle = Effect.fnUntraced(
  function* (shards: number, count: number) {
    const database = yield* Database.make
    const cluster = yield* Machines.make({ shards, databaseUrl: database.url() })
    const machines = yield* Effect.forEach(Array.from({ length: count }), () => cluster.start())
    // Thousands take minutes, in which looking at all of them often would slow their Discord down.
    yield* Effect.repeat(cluster.connected, {
      until: ({ size }) => size === shards,
      schedule: Schedule.spaced("2 seconds")
    })
    yield* count > 1 ? cluster.spreadOver(...machines) : cluster.allConnected
    yield* Effect.sleep("10 seconds")
    const cpu = Effect.map(database.backends, (backends) => ({
      backends: cpuTimes(backends),
      machines: cpuTimes(machines.map(({ pid }) => pid))
    }))
    const time = 30
    const before = yield* cpu
    const transactions = yield* database.transactions
    yield* Effect.sleep(Duration.seconds(time))
    const done = ((yield* database.transactions) - transactions) / time
    const after = yield* cpu
    const share = (ticks: number) => `${(ticks / time).toFixed(1)} %`
    const row = [
      `${shards} on ${count}`,
      done.toFixed(1),
      share(spent(before.backends, after.backends)),
      share(spent(before.machines, after.machines) / count)
    ]
    yield* Console.log(row.join("; "))
    yield* MeasuredTable.writeRow(tables.idle, row)
  },
  Effect.scoped,
  (effect, shards) => Effect.provide(effect, discord(shards, Math.min(shards, 256)))
)

/** Ticks of 10 ms that processes have computed for so far, by their pids. */
const cpuTimes = (pids: ReadonlyArray<number>): ReadonlyMap<number, number> =>
  new Map(
    pids.flatMap((pid) => {
      if (!existsSync(`/proc/${pid}/stat`)) return []
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/^.*\) /, "")
        .split(" ")
      return [[pid, Number(fields[11]) + Number(fields[12])] as const]
    })
  )

/** Ticks between the two. A backend that has ended meanwhile counts for none. */
const spent = (before: ReadonlyMap<number, number>, after: ReadonlyMap<number, number>): number =>
  [...after].reduce((sum, [pid, ticks]) => sum + ticks - (before.get(pid) ?? 0), 0)

const redis = "redis://127.0.0.1:6379"

const proofs: Record<string, (times: number) => Effect.Effect<void, unknown>> = {
  kills,
  rolling: () => rolling,
  start: () => start(false),
  "start-killed": () => start(true),
  "start-redis": () => start(true, redis),
  outage: () => outage("silent"),
  "outage-refused": () => outage("refused"),
  memory: () => Effect.forEach([10, 500, 1000], memory, { discard: true }),
  database: () => database({}, "everything in PostgreSQL"),
  "database-redis": () =>
    database({ REDIS_URL: redis, CLUSTER_NAME: "disruption_gateway_proof" }, "sessions and limits in Redis")
}

const idles = [
  [64, 1],
  [64, 3],
  [256, 3],
  [1000, 3],
  [4000, 3]
] as const

const rows: Record<string, (times: number) => Effect.Effect<void, unknown>> = {
  ...Object.fromEntries(
    Object.entries(troubles).map(([name, trouble]) => [
      name,
      (times: number) =>
        trouble.takes !== undefined && !existsSync(trouble.takes)
          ? Console.log(`skipped: ${name} takes ${trouble.takes}`)
          : trouble.isolated === true
            ? throughNetwork(name, trouble, times)
            : through(name, trouble, times, undefined)
    ])
  ),
  reshard,
  empty,
  ...Object.fromEntries(idles.map(([shards, count]) => [`${shards} on ${count}`, () => idle(shards, count)])),
  idle: () => Effect.forEach(idles, ([shards, count]) => idle(shards, count), { discard: true })
}

const [first, second, third] = process.argv.slice(2)
const isOnly = first === "--only"
const times = isOnly ? third : second
const only = isOnly ? second?.split(",") : undefined
const chosen = isOnly
  ? Object.entries(rows).filter(([row]) => only?.includes(row))
  : Object.entries({ ...proofs, ...rows }).filter(([proof]) => first === undefined || proof === first)

Effect.gen(function* () {
  const failed: Array<string> = []
  for (const [proof, run] of chosen) {
    yield* Console.log(`\n${proof}`)
    const exit = yield* Effect.exit(run(Number(times ?? (proof in rows ? 3 : 20))))
    if (Exit.isSuccess(exit)) continue
    failed.push(proof)
    yield* Console.error(`${proof}: ${Cause.pretty(exit.cause)}`)
  }
  if (failed.length > 0) return yield* Effect.die(new Error(`the cluster did not stand: ${failed.join(", ")}`))
}).pipe(NodeRuntime.runMain)
