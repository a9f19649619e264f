// CPU time of the relay beside `ws`, JSON.parse and the same client of Redis writing by hand: `npm run bench:relay`. Both take the busy bot's
// events as fast as they come and write each into the same Redis, one after the other, in pairs; the ratio is of pairs.
import { fork, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { interval, median } from "./report.mjs"
import { startServer } from "./run.mjs"

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer()
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })

const startRedis = async () => {
  const folder = mkdtempSync(join(tmpdir(), "bench-relay-"))
  const port = await freePort()
  const child = spawn("redis-server", ["--port", String(port), "--dir", folder, "--save", "", "--bind", "127.0.0.1"])
  await new Promise((resolve) => {
    child.stdout.on("data", (text) => String(text).includes("Ready to accept connections") && resolve())
  })
  return {
    url: `redis://127.0.0.1:${port}`,
    stop: () => {
      child.kill("SIGKILL")
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

let runs = 0

/** One client, once: seconds of CPU from READY until Redis has the last event. */
const measure = (client, { compression, port, redis }) =>
  new Promise((resolve, reject) => {
    const url = `ws://127.0.0.1:${port}/9${++runs}/mix`
    const child = fork(fileURLToPath(new URL("relay-client.mjs", import.meta.url)), [
      JSON.stringify({ client, compression, redis, url })
    ])
    child.once("message", (result) => {
      child.kill("SIGKILL")
      resolve(result)
    })
    child.once("exit", (code) => reject(new Error(`${client} ended with ${code}`)))
  })

const pairs = Number(process.argv[2] ?? 5)
const redis = await startRedis()
for (const compression of ["none", "zlib-stream"]) {
  const server = await startServer([{ compression, stream: "mix", clients: ["ws"] }])
  const results = []
  for (let pair = 0; pair < pairs; pair++) {
    const order = pair % 2 === 0 ? ["relay", "hand"] : ["hand", "relay"]
    const result = {}
    for (const client of order)
      result[client] = await measure(client, { compression, port: server.port, redis: redis.url })
    if (result.hand.written !== result.relay.written) throw new Error(`not the same: ${JSON.stringify(result)}`)
    results.push(result)
    console.log(compression, JSON.stringify(result))
  }
  const ratios = results.map(({ hand, relay }) => relay.cpu / hand.cpu)
  console.log(
    `${compression}: relay ${median(results.map(({ relay }) => relay.cpu)).toFixed(2)} s, by hand ` +
      `${median(results.map(({ hand }) => hand.cpu)).toFixed(2)} s of CPU for ${results[0].relay.written} events: ` +
      `${median(ratios).toFixed(2)} × (${JSON.stringify(interval(ratios))})`
  )
  server.stop()
}
redis.stop()
