// What the server sends, as WebSocket frames ready to be written: for each compression a file, made once and kept in
// node_modules/.cache. One compression context for all messages of a connection, as Discord does it.
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import * as zlib from "node:zlib"
import { idOf, makeTally, tally, tallyUnordered } from "./check.mjs"
import { busyBot, busyBotTwice, halfway, manyGuilds, marker } from "./events.mjs"
import { synchronous } from "./sync-zlib.mjs"

const sources = ["corpus", "events", "random", "check"].map((name) =>
  readFileSync(new URL(`${name}.mjs`, import.meta.url))
)
const edition = createHash("sha256").update(process.version).update(Buffer.concat(sources)).digest("hex").slice(0, 12)
const cache = new URL("node_modules/.cache/", import.meta.url)

export const compressions = ["none", "zlib-stream", ...(zlib.createZstdCompress === undefined ? [] : ["zstd-stream"])]
const events = { mix: busyBot, long: busyBotTwice, guilds: manyGuilds, none: () => [] }

export const helloText = JSON.stringify({ t: null, s: null, op: 10, d: { heartbeat_interval: 600_000, _trace: [] } })
export const readyText = JSON.stringify({
  t: "READY",
  s: 1,
  op: 0,
  d: {
    v: 10,
    user: { username: "bench", id: "1", discriminator: "0", bot: true, avatar: null },
    session_id: "0123456789abcdef0123456789abcdef",
    resume_gateway_url: "ws://127.0.0.1",
    guilds: [],
    application: { id: "1", flags: 0 }
  }
})
/** Asks for a heartbeat, whose sequence says how far the client has come. */
export const beatText = '{"t":null,"s":null,"op":1,"d":null}'

/** A message in a WebSocket frame. */
export const frame = (payload, opcode) => {
  const { length } = payload
  const size = length < 126 ? 0 : length < 65536 ? 2 : 8
  const header = Buffer.alloc(2 + size)
  header[0] = 0x80 | opcode
  header[1] = size === 0 ? length : size === 2 ? 126 : 127
  if (size === 2) header.writeUInt16BE(length, 2)
  if (size === 8) header.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([header, payload])
}

const textOpcode = 1
const binaryOpcode = 2

const makeFramer = (compression) => {
  if (compression === "none") return (text) => frame(Buffer.from(text), textOpcode)
  const compress =
    compression === "zlib-stream"
      ? synchronous(zlib.createDeflate(), zlib.constants.Z_SYNC_FLUSH)
      : synchronous(zlib.createZstdCompress(), zlib.constants.ZSTD_e_flush)
  return (text) => frame(compress(Buffer.from(text)), binaryOpcode)
}

const make = (name) => {
  const wanted = name === "long" ? ["none"] : compressions
  const framers = wanted.map(makeFramer)
  const parts = wanted.map(() => [])
  const add = (text) => framers.forEach((toFrame, i) => parts[i].push(toFrame(text)))
  add(helloText)
  add(readyText)
  const all = makeTally()
  const messageCreates = makeTally()
  const shares = {}
  let bytes = 0
  let framesToHalfway = 0
  let sequence = 1
  for (const [t, d] of events[name]()) {
    sequence++
    const text = `{"t":"${t}","s":${sequence},"op":0,"d":${JSON.stringify(d)}}`
    bytes += Buffer.byteLength(text)
    shares[t] = (shares[t] ?? 0) + 1
    tally(all, idOf(d))
    if (t === "MESSAGE_CREATE") tally(messageCreates, idOf(d))
    add(text)
    // The answer says that a client which wants nothing has come so far.
    if (idOf(d) === halfway) {
      add(beatText)
      framesToHalfway = parts[0].length
    }
  }
  add(beatText)
  wanted.forEach((compression, i) => {
    const [hello, ready, ...body] = parts[i]
    save(`${name}.${compression}.bin`, Buffer.concat([hello, ready, ...body]))
    save(
      `${name}.${compression}.json`,
      JSON.stringify({
        hello: hello.length,
        ready: ready.length,
        marker,
        frames: body.length + 2,
        framesToHalfway,
        bytes,
        sequence,
        shares,
        all,
        messageCreates
      })
    )
  })
}

/** The busy bot's events over several shards in turn, each with sequences of its own. */
const makeSplit = (name) => {
  const shards = Number(/^split-(\d+)$/.exec(name)?.[1])
  const toFrame = makeFramer("none")
  const parts = Array.from({ length: shards }, () => [])
  const all = makeTally()
  let index = 0
  for (const [t, d] of busyBot()) {
    const part = parts[index++ % shards]
    tallyUnordered(all, idOf(d))
    part.push(toFrame(`{"t":"${t}","s":${part.length + 2},"op":0,"d":${JSON.stringify(d)}}`))
  }
  const bodies = parts.map((part) => Buffer.concat(part))
  save(`${name}.none.bin`, Buffer.concat(bodies))
  save(`${name}.none.json`, JSON.stringify({ all, lengths: bodies.map(({ length }) => length) }))
}

const path = (file) => new URL(`${edition}.${file}`, cache)

/** Under another name until it is whole. */
const save = (file, content) => {
  mkdirSync(cache, { recursive: true })
  const unfinished = path(`${file}.${process.pid}`)
  writeFileSync(unfinished, content)
  renameSync(unfinished, path(file))
}

/** What is known of a stream: how many events, and what a client that read them all must come to. */
export const describe = (name, compression) => {
  if (!existsSync(path(`${name}.${compression}.json`))) (name.startsWith("split-") ? makeSplit : make)(name)
  return JSON.parse(readFileSync(path(`${name}.${compression}.json`), "utf8"))
}

/** The frames of each shard of a stream that is split. */
export const loadSplit = (name) => {
  const { lengths } = describe(name, "none")
  const file = readFileSync(path(`${name}.none.bin`))
  let at = 0
  return lengths.map((length) => file.subarray(at, (at += length)))
}

/** The frames of a stream. */
export const load = (name, compression) => {
  const description = describe(name, compression)
  const { hello, ready } = description
  const file = readFileSync(path(`${name}.${compression}.bin`))
  return {
    ...description,
    helloFrame: file.subarray(0, hello),
    readyFrame: file.subarray(hello, hello + ready),
    body: file.subarray(hello + ready)
  }
}
