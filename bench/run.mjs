// Runs the processes: the server once, a client for each measurement.
import { fork } from "node:child_process"
import { clients } from "./scenarios.mjs"

const patience = 60_000
let runs = 0

/** The first message that has this in it, or a failure if the process ends before. */
const messageWith = (child, key, limit = patience) =>
  new Promise((resolve, reject) => {
    const settle = (act, value) => {
      clearTimeout(timer)
      child.off("message", onMessage)
      child.off("exit", onExit)
      act(value)
    }
    const onMessage = (message) => key in message && settle(resolve, message)
    const onExit = (code, signal) =>
      settle(
        reject,
        new Error(/^.*Error: .*$/m.exec(child.complaint)?.[0] ?? `the process ended with ${signal ?? code}`)
      )
    const timer = setTimeout(() => settle(reject, new Error(`not done within ${limit / 1000} s`)), limit)
    child.on("message", onMessage)
    child.on("exit", onExit)
  })

const start = (file, args, execArgv = []) => {
  const child = fork(new URL(file, import.meta.url), args, { execArgv, stdio: ["ignore", "ignore", "pipe", "ipc"] })
  child.complaint = ""
  child.stderr.on("data", (text) => {
    child.complaint = `${child.complaint}${text}`.slice(-10_000)
  })
  return child
}

/** Starts the server with the streams that the scenarios need. */
export const startServer = async (scenarios) => {
  const child = start("server.mjs", [])
  const { compressions, port } = await messageWith(child, "port")
  child.send({
    prepare: scenarios
      .filter(({ compression }) => compressions.includes(compression))
      .flatMap((scenario) =>
        [...new Set(scenario.clients.map((client) => streamOf(scenario, client)))].map((stream) => ({
          compression: scenario.compression,
          stream
        }))
      )
  })
  await messageWith(child, "prepared", 10 * patience)
  return { child, compressions, port, stop: () => child.disconnect() }
}

const streamOf = ({ seconds, stream }, client) =>
  ({ live: `live-${seconds}`, split: `split-${clients[client].shards}` })[stream] ?? stream

/** One client, once. Fails when it did not do its work. */
export const measure = async (server, client, scenario, expected, { profile } = {}) => {
  const { exported, module, role, withoutOptions } = clients[client]
  const { kind } = scenario
  const shards = clients[client].shards ?? scenario.shards
  const child = start(
    "client.mjs",
    [
      JSON.stringify({
        module,
        exported,
        profile,
        scenario: {
          ...scenario,
          shards,
          listens: role === "own",
          options: role === "own" && withoutOptions !== true ? scenario.ownOptions : undefined
        }
      })
    ],
    kind === "idle" ? ["--expose-gc"] : []
  )
  const run = String(++runs)
  const connections = []
  const onServer = (message) => {
    if (message.run !== run) return
    if ("connected" in message) connections.push(message.connected)
    if ("read" in message && child.connected) child.send({ read: true })
    if ("halfway" in message && child.connected) child.send({ halfway: true })
  }
  server.child.on("message", onServer)
  try {
    await messageWith(child, "loaded")
    const path = `127.0.0.1:${server.port}/${run}/${streamOf(scenario, client)}`
    const { all, frames, framesToHalfway, halfway, marker } = expected
    child.send({
      url: `ws://${path}`,
      api: `http://${path}/v10`,
      compression: scenario.compression,
      shards,
      count: all?.count,
      frames,
      framesToHalfway,
      halfway,
      marker
    })
    const result = await messageWith(child, "cpu")
    const wrong = mistakes(result, { connections, expected, scenario: { ...scenario, shards } })
    if (wrong !== undefined) throw new Error(wrong)
    return result
  } finally {
    server.child.off("message", onServer)
    if (child.exitCode === null && child.signalCode === null) {
      await new Promise((resolve) => {
        child.once("exit", resolve)
        child.kill("SIGKILL")
      })
    }
  }
}

/** What a client did not do, or did otherwise. */
const mistakes = ({ count, hash }, { connections, expected, scenario }) => {
  const { compression, kind, rate, seconds, shards = 1, want } = scenario
  if (connections.length !== shards) return `${connections.length} connections instead of ${shards}`
  const other = connections.find((asked) => asked !== compression)
  if (other !== undefined) return `asked for compression ${other} instead of ${compression}`
  if (kind === "idle") return count === shards ? undefined : `${count} shards ready instead of ${shards}`
  if (kind === "nothing") return count === 0 ? undefined : `got ${count} events that nobody wanted`
  if (kind === "noisy") return count > 0 ? undefined : "saw no event of the quiet shards"
  if (kind === "latency")
    return count === rate * seconds ? undefined : `saw ${count} events instead of ${rate * seconds}`
  const right = want === "messages" ? expected.messageCreates : expected.all
  if (count !== right.count) return `saw ${count} events instead of ${right.count}`
  return hash === right.hash ? undefined : "saw other events, or in another order"
}
