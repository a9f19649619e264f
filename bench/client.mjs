// One client in a process of its own: loads it, says so, runs it when told where to connect, and reports what it cost.
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { Session } from "node:inspector/promises"
import { setTimeout as sleep } from "node:timers/promises"
import { makeTally, idOf, tally, tallyUnordered } from "./check.mjs"

const { exported, module, profile, scenario } = JSON.parse(process.argv[2])
const run = (await import(new URL(module, import.meta.url)))[exported]

const cost = (since) => {
  const { system, user } = process.cpuUsage(since)
  return (user + system) / 1e6
}
/** Of the main thread alone, where the system tells (Linux): the others optimize code and collect garbage. */
const schedule = `/proc/self/task/${process.pid}/schedstat`
const mainCost = existsSync(schedule)
  ? () => Number(readFileSync(schedule, "utf8").split(" ", 1)[0]) / 1e9
  : () => undefined
const peakMB = () => process.resourceUsage().maxRSS / 1024

/** All events, or those that are wanted: until the marker. */
const throughput = ({ marker, want }, finish) => {
  const sum = makeTally()
  return {
    consume: (t, d) => {
      if (t === "READY" || (want === "messages" && t !== "MESSAGE_CREATE")) return
      const id = idOf(d)
      tally(sum, id)
      if (id === marker) finish()
    },
    result: () => sum
  }
}

/** The second half of a long stream: what is left when the code is warm. */
const steady = ({ halfway, marker, want }, finish, restart) => {
  const sum = makeTally()
  return {
    consume: (t, d) => {
      if (t === "READY" || (want === "messages" && t !== "MESSAGE_CREATE")) return
      const id = idOf(d)
      tally(sum, id)
      if (id === halfway) restart()
      if (id === marker) finish()
    },
    result: () => sum
  }
}

const percentilesOf = (samples) => {
  const sorted = samples.toSorted((a, b) => a - b)
  return (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

/** From the server's write to here; the first second is for warming up. */
const latency = ({ marker, rate }, finish) => {
  const samples = []
  let count = 0
  return {
    consume: (t, d) => {
      const now = process.hrtime.bigint()
      if (t === "READY") return
      if (++count > rate) samples.push(Number(now - BigInt(d.nonce)) / 1e6)
      if (d.id === marker) finish()
    },
    result: () => {
      const at = percentilesOf(samples)
      return { count, p50: at(0.5), p99: at(0.99), max: at(1) }
    }
  }
}

/** Hands on what is no READY; the last READY begins the measurement. */
const onceAllAreReady = (shards, restart, consume) => {
  let ready = 0
  return (t, d) => {
    if (t !== "READY") consume(d)
    else if (++ready === shards) restart()
  }
}

/** Every event of every shard, once all are ready. */
const shards = ({ count, shards }, finish, restart) => {
  const sum = makeTally()
  return {
    consume: onceAllAreReady(shards, restart, (d) => {
      tallyUnordered(sum, idOf(d))
      if (sum.count === count) finish()
    }),
    result: () => sum
  }
}

/** The latency of the messages that have a time, while a shard without times gets all that it can take. */
const noisy = ({ marker, shards }, finish, restart) => {
  const samples = []
  return {
    consume: onceAllAreReady(shards, restart, (d) => {
      if (d.id === marker) finish()
      if (typeof d.nonce === "string" && d.nonce.startsWith("0")) {
        samples.push(Number(process.hrtime.bigint() - BigInt(d.nonce)) / 1e6)
      }
    }),
    result: () => {
      const at = percentilesOf(samples)
      return { count: samples.length, p50: at(0.5), p99: at(0.99) }
    }
  }
}

const memory = () => {
  for (let i = 0; i < 4; i++) globalThis.gc()
  const { external, heapUsed, rss } = process.memoryUsage()
  return { external, heapUsed, rss }
}

/** Until all shards are ready and what connecting left behind is collected. */
const idle = ({ shards }, finish) => {
  const before = memory()
  let ready = 0
  return {
    consume: (t) => {
      if (t === "READY" && ++ready === shards) sleep(2000).then(finish)
    },
    result: () => {
      const after = memory()
      const perShard = (key) => (after[key] - before[key]) / shards / 1024
      return {
        count: ready,
        heapKB: perShard("heapUsed"),
        liveKB: perShard("heapUsed") + perShard("external"),
        rssKB: perShard("rss")
      }
    }
  }
}

/** Nothing is wanted: the server says when all was read, and half of it where only the second half counts. */
const nothing = (_, finish, restart) => {
  let count = 0
  process.on("message", (message) => {
    if (message.halfway === true) restart()
    if (message.read === true) finish()
  })
  return {
    consume: scenario.listens
      ? (t) => {
          if (t !== "READY") count++
        }
      : undefined,
    result: () => ({ count })
  }
}

/** Profiles what is measured, not the loading before it. */
const startProfile = async () => {
  const session = new Session()
  session.connect()
  await session.post("Profiler.enable")
  await session.post("Profiler.setSamplingInterval", { interval: 200 })
  await session.post("Profiler.start")
  return async () => {
    const result = await session.post("Profiler.stop")
    writeFileSync(profile, JSON.stringify(result.profile))
  }
}

const kinds = { throughput, steady, latency, shards, noisy, idle, nothing }

process.on("message", async (where) => {
  if (!("url" in where)) return
  let finish
  const finished = new Promise((resolve) => {
    finish = resolve
  })
  await sleep(100)
  let begun
  const begin = () => {
    begun = { cpu: process.cpuUsage(), main: mainCost(), at: performance.now() }
  }
  const { consume, result } = kinds[scenario.kind]({ ...scenario, ...where }, finish, begin)
  const stopProfile = profile === undefined ? undefined : await startProfile()
  begin()
  // A client that fails ends the process: its rejection is not handled.
  run({ ...where, consume, finish, restart: begin, ...scenario.options })
  await finished
  const cpu = cost(begun.cpu)
  const main = begun.main === undefined ? undefined : mainCost() - begun.main
  const wall = (performance.now() - begun.at) / 1000
  const report = { cpu, main, wall, cpuProcess: cost(), peakMB: peakMB(), ...result() }
  await stopProfile?.()
  process.send(report)
})
// A client without a bench must not reconnect for ever.
process.on("disconnect", () => process.exit(1))
process.send({ loaded: true })
