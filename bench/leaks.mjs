// Ten thousand connects and drops in one process, over real sockets on loopback: does anything grow?
//
//   npm run build && npm run leaks
//
// Prints heap, sockets, timers and listeners after every thousand, each after a full garbage collection.
import { setTimeout as sleep } from "node:timers/promises"
import { Effect, Layer, References, Schedule, Stream } from "effect"
import { Gateway, GatewayConfig } from "../dist/index.js"
import { NodeGateway } from "../dist/node.js"
import { DiscordSimulator } from "../dist/testing.js"

const rounds = Number(process.argv[2] ?? 10_000)

const Bot = Layer.unwrap(
  Effect.map(DiscordSimulator, ({ apiUrl, token }) =>
    NodeGateway.layer.pipe(
      Layer.provide(
        GatewayConfig.layer({ apiUrl, token, stableAfter: "1 millis", reconnect: Schedule.spaced("1 millis") })
      )
    )
  )
)

const count = (things) => {
  const counts = {}
  for (const thing of things) counts[thing] = (counts[thing] ?? 0) + 1
  return counts
}

const measure = Effect.promise(async () => {
  // Sockets that are closing need a moment.
  await sleep(200)
  for (let i = 0; i < 3; i++) globalThis.gc()
  const resources = count(process.getActiveResourcesInfo())
  return {
    heapMB: (process.memoryUsage().heapUsed / 2 ** 20).toFixed(1),
    sockets: resources.TCPSocketWrap ?? 0,
    timers: resources.Timeout ?? 0,
    listeners: process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0)
  }
})

const program = Effect.gen(function* () {
  const simulator = yield* DiscordSimulator
  const gateway = yield* Gateway
  let established = 0
  let wake
  yield* Effect.forkScoped(
    Stream.runForEach(gateway.payloads, ({ t }) =>
      Effect.sync(() => {
        if (t !== "READY" && t !== "RESUMED") return
        established++
        wake?.()
      })
    )
  )
  const next = (after) =>
    Effect.callback((resume) => {
      if (established > after) return resume(Effect.void)
      wake = () => resume(Effect.void)
    })
  yield* next(0)
  const rows = []
  for (let round = 0; round <= rounds; round++) {
    if (round % Math.ceil(rounds / 10) === 0) {
      const row = { drops: round, ...(yield* measure) }
      console.log(JSON.stringify(row))
      rows.push(row)
    }
    const before = established
    yield* round % 2 === 0 ? simulator.drop() : simulator.close(4000)
    yield* next(before)
  }
  return { counts: yield* simulator.counts, rows }
})

const { counts, rows } = await Effect.runPromise(
  Effect.scoped(
    Effect.provide(program, Layer.provideMerge(Bot, DiscordSimulator.serve({ history: 10, replayBuffer: 10 })))
  ).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
)
const [, first] = rows
const last = rows.at(-1)
console.log(
  `${counts.connections} connections, ${counts.identifies} IDENTIFY, ${counts.resumes} RESUMEs; ` +
    `from ${first.drops} to ${last.drops} drops: heap ${first.heapMB} → ${last.heapMB} MB, ` +
    `sockets ${first.sockets} → ${last.sockets}, timers ${first.timers} → ${last.timers}, ` +
    `process listeners ${first.listeners} → ${last.listeners}`
)
await sleep(500)
console.log("after closing the scope:", JSON.stringify(count(process.getActiveResourcesInfo())))
