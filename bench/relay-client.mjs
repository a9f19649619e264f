// One client of bench/relay.mjs in a process of its own.
import * as zlib from "node:zlib"
import { createClient } from "redis"
import { WebSocket } from "ws"
import { synchronous } from "./sync-zlib.mjs"

const { client, compression, redis, url } = JSON.parse(process.argv[2])
const events = 100_050

const own = createClient({ url: redis })
await own.connect()
await own.flushAll()

const finish = (since, written) => {
  const { system, user } = process.cpuUsage(since)
  process.send({ cpu: (user + system) / 1e6, written })
}

/** A partition for each guild. */
const partitionOf = (d) => {
  const guild = d.guild_id ?? d.id ?? "0"
  let hash = 0
  for (let at = 0; at < guild.length; at++) hash = (hash * 31 + guild.charCodeAt(at)) >>> 0
  return hash % 64
}

/** As it is written by hand: each event parsed, and its text added to the stream of its guild's partition. */
const hand = () => {
  const since = process.cpuUsage()
  let written = 0
  let waiting = 0
  const query = compression === "none" ? "" : `&compress=${compression}`
  const ws = new WebSocket(`${url}?v=10&encoding=json${query}`, { perMessageDeflate: false })
  const inflate =
    compression === "none" ? (data) => data : synchronous(zlib.createInflate(), zlib.constants.Z_SYNC_FLUSH)
  ws.on("message", (data) => {
    const text = inflate(data).toString()
    const { d, op, s, t } = JSON.parse(text)
    if (op === 10) ws.send(JSON.stringify({ op: 2, d: { token: "token", intents: 0, properties: {}, shard: [0, 1] } }))
    if (op !== 0 || t === "READY") return
    // What waits without a bound is expensive to collect.
    if (++waiting === 2000) ws.pause()
    own.xAdd(`hand:${partitionOf(d)}`, "*", { s: String(s), t, payload: text }).then(() => {
      if (--waiting === 500) ws.resume()
      if (++written === events) finish(since, written)
    })
  })
}

const relay = async () => {
  const { Effect, Layer, References } = await import("effect")
  const NodeRedis = await import("@effect/platform-node/NodeRedis")
  const { GatewayConfig } = await import("../dist/index.js")
  const { NodeGateway } = await import("../dist/node.js")
  const { GatewayRelay, RedisBroker } = await import("../dist/relay.js")
  const program = Effect.gen(function* () {
    const { status } = yield* GatewayRelay
    while (true) {
      const { published } = yield* status
      // READY, too.
      if (published >= events + 1) return finish(since, published - 1)
      yield* Effect.sleep("5 millis")
    }
  })
  // Building its layers counts, too.
  const since = process.cpuUsage()
  await Effect.runPromise(
    program.pipe(
      Effect.provide(
        GatewayRelay.layer.pipe(
          Layer.provide([NodeGateway.layer, RedisBroker.layer({ name: "bench" })]),
          Layer.provide(GatewayConfig.layer({ token: "token", intents: 0, shards: 1, gatewayUrl: url, compression })),
          Layer.provide(NodeRedis.layer({ url: redis }))
        )
      ),
      Effect.provideService(References.MinimumLogLevel, "None")
    )
  )
}

await (client === "hand" ? hand() : relay())
