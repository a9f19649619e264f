// A gateway that only sends: greets, takes any IDENTIFY, and then writes what was made beforehand as fast as the socket
// takes it. In a process of its own, so that nothing of its work counts as a client's.
//
//   ws://127.0.0.1:PORT/RUN/mix       the busy bot's events; /guilds: 500 guilds; /none: nothing
//   ws://127.0.0.1:PORT/RUN/split-64  the busy bot's events over 64 shards, once all have identified
//   ws://127.0.0.1:PORT/RUN/noisy     the first of 64 shards gets them all twice, the others 1,000 messages a second together
//   ws://127.0.0.1:PORT/RUN/live-5    messages for 5 seconds, 5,000 a second, each with its time of sending
//
// RUN is any number, by which what is told of a connection is told apart. `compress` in the query is honoured.
// GET /RUN/STREAM/v10/gateway/bot leads to a stream.
import { createServer } from "node:http"
import { WebSocketServer } from "ws"
import { beatText, compressions, frame, helloText, load, loadSplit, readyText } from "./corpus.mjs"
import { marker, messages } from "./events.mjs"

const liveRate = 5000

const loaded = new Map()
const streamOf = (name, compression) => {
  const key = `${name}.${compression}`
  if (!loaded.has(key)) loaded.set(key, load(name, compression))
  return loaded.get(key)
}

const split = new Map()
const splitOf = (name) => {
  if (!split.has(name)) split.set(name, loadSplit(name))
  return split.get(name)
}

const textFrame = (text) => frame(Buffer.from(text), 1)
const ackFrame = textFrame('{"t":null,"s":null,"op":11,"d":null}')
const beatFrame = textFrame(beatText)
const live = { helloFrame: textFrame(helloText), readyFrame: textFrame(readyText) }

const pour = (socket, bytes, onEnd = () => {}) => {
  let at = 0
  const next = () => {
    while (at < bytes.length) {
      const chunk = bytes.subarray(at, (at += 65536))
      if (!socket.write(chunk)) return socket.once("drain", next)
    }
    onEnd()
  }
  next()
}

const timePlaceholder = "0".repeat(19)
const templates = (() => {
  const source = messages()
  return Array.from({ length: 1000 }, () => {
    const { value } = source.next()
    return { ...value[1], nonce: timePlaceholder }
  })
})()

/** Some every millisecond: each message is made ready before, only its time of sending is put in. */
const pace = (socket, seconds) => {
  const total = seconds * liveRate
  const frames = Array.from({ length: total }, (_, i) => {
    const d = { ...templates[i % templates.length], ...(i === total - 1 ? { id: marker } : {}) }
    const bytes = textFrame(JSON.stringify({ t: "MESSAGE_CREATE", s: i + 2, op: 0, d }))
    return { bytes, at: bytes.indexOf(timePlaceholder) }
  })
  const start = process.hrtime.bigint()
  let sent = 0
  const tick = () => {
    if (socket.destroyed) return
    const due = Math.min(total, Math.ceil((Number(process.hrtime.bigint() - start) * liveRate) / 1e9))
    for (; sent < due; sent++) {
      const { at, bytes } = frames[sent]
      bytes.latin1Write(String(process.hrtime.bigint()).padStart(19, "0"), at)
      socket.write(bytes)
    }
    if (sent < total) setTimeout(tick, 1)
  }
  tick()
}

/** Shards of a run that have identified, by their numbers. */
const gatherings = new Map()

/** A connection that waits for the other shards of its run, and is sent its share when all are there. */
const gather = (ws, socket, run, name) => {
  ws.on("error", () => {})
  setTimeout(() => socket.write(live.helloFrame), name === "noisy" ? 200 : 1000)
  ws.on("message", (data) => {
    const { d, op } = JSON.parse(data)
    // No heartbeat is answered: that would come into the midst of a frame. The next one is ten minutes away.
    if (op !== 2) return
    socket.write(live.readyFrame)
    const [index, count] = d.shard ?? [0, 1]
    const sockets = gatherings.get(run) ?? []
    gatherings.set(run, sockets)
    sockets[index] = socket
    if (sockets.filter((other) => other !== undefined).length < count) return
    gatherings.delete(run)
    setTimeout(() => (name === "noisy" ? pourAndPace(sockets) : pourAll(sockets, name)), 500)
  })
}

const pourAll = (sockets, name) => {
  const bodies = splitOf(name)
  sockets.forEach((socket, i) => pour(socket, bodies[i]))
}

const pourAndPace = ([first, ...others]) => {
  pour(first, streamOf("long", "none").body)
  let sent = 0
  const start = process.hrtime.bigint()
  const tick = () => {
    if (first.destroyed) return
    const due = Number((process.hrtime.bigint() - start) / 1_000_000n)
    for (; sent < due; sent++) {
      const d = { ...templates[sent % templates.length], nonce: String(process.hrtime.bigint()).padStart(20, "0") }
      const s = Math.floor(sent / others.length) + 2
      others[sent % others.length].write(textFrame(JSON.stringify({ t: "MESSAGE_CREATE", s, op: 0, d })))
    }
    setTimeout(tick, 1)
  }
  tick()
}

const converse = (ws, socket, run, name, compression) => {
  const seconds = /^live-(\d+)$/.exec(name)?.[1]
  const { body, helloFrame, readyFrame, sequence } = seconds === undefined ? streamOf(name, compression) : live
  let identified = false
  let greeted = false
  let isHalfway = false
  let isPouring = false
  let owesAck = false
  const begin = () => {
    socket.write(readyFrame)
    if (seconds !== undefined) return pace(socket, Number(seconds))
    if (name === "none") return
    isPouring = true
    pour(socket, body, () => {
      isPouring = false
      if (owesAck) socket.write(ackFrame)
    })
  }
  // In one packet with the answer to the upgrade, cloudstorm would not see it: with a thousand connections at once that
  // takes longer. discordeno identifies without it.
  setTimeout(
    () => {
      greeted = true
      socket.write(helloFrame)
      if (identified) begin()
    },
    name === "none" ? 1000 : 5
  )
  ws.on("error", () => {})
  ws.on("message", (data) => {
    const { d, op } = JSON.parse(data)
    if (op === 2 && !identified) {
      identified = true
      if (greeted) begin()
    }
    if (op !== 1) return
    // The stream is being written: an answer would come into the midst of a frame. An earlier one is a client's own.
    if (name === "long" && !isHalfway) {
      if (d === null || d < sequence / 2) return
      isHalfway = true
      return process.send({ run, halfway: true })
    }
    // A compressed stream was made as a whole: nothing can be put into it. The interval is so long that no second
    // heartbeat falls into a measurement. The first one comes at any time of it, perhaps in the midst of a frame.
    if (compression === "none" && isPouring) owesAck = true
    else if (compression === "none") socket.write(ackFrame)
    if (name === "none" || seconds !== undefined) return
    if (d === sequence) process.send({ run, read: true })
    // @discordjs/ws counts a little later than it answers.
    else if (compression === "none" && !isPouring) setTimeout(() => socket.write(beatFrame), 20)
  })
}

const address = () => `127.0.0.1:${server.address().port}`

const server = createServer((request, response) => {
  const stream = /^\/(\d+\/[\w-]+)\/v10\/gateway\/bot$/.exec(request.url)?.[1]
  response.writeHead(stream === undefined ? 404 : 200, { "content-type": "application/json" })
  response.end(
    JSON.stringify({
      url: `ws://${address()}/${stream}`,
      shards: 1,
      session_start_limit: { total: 100_000, remaining: 100_000, reset_after: 86_400_000, max_concurrency: 1000 }
    })
  )
})
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
server.on("upgrade", (request, socket, head) => {
  const { pathname, searchParams } = new URL(request.url, "ws://localhost")
  const compression = searchParams.get("compress") ?? "none"
  if (!compressions.includes(compression)) return socket.destroy()
  socket.setNoDelay(true)
  sockets.handleUpgrade(request, socket, head, (ws) => {
    const [, run, stream] = pathname.split("/")
    process.send({ run, connected: compression })
    if (stream === "noisy" || stream.startsWith("split-")) gather(ws, socket, run, stream)
    else converse(ws, socket, run, stream, compression)
  })
})
server.listen(0, "127.0.0.1", () => process.send({ port: server.address().port, compressions }))
process.on("message", ({ prepare }) => {
  // Reading 80 MB while a client waits would be the server's time, but on the client's clock.
  for (const { compression, stream } of prepare) {
    if (stream.startsWith("split-")) splitOf(stream)
    else if (stream === "noisy") streamOf("long", "none")
    else if (!stream.startsWith("live-")) streamOf(stream, compression)
  }
  process.send({ prepared: true })
})
process.on("disconnect", () => process.exit(0))
