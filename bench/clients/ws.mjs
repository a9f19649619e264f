// No library: what the same work costs at least.
import * as zlib from "node:zlib"
import { WebSocket } from "ws"
import { synchronous } from "../sync-zlib.mjs"

const query = (compression) => `?v=10&encoding=json${compression === "none" ? "" : `&compress=${compression}`}`

const connect = (url, compression, shard = [0, 1]) => {
  const ws = new WebSocket(`${url}${query(compression)}`, { perMessageDeflate: false })
  const send = (payload) => ws.send(JSON.stringify(payload))
  const identify = () =>
    send({ op: 2, d: { token: "token", intents: 0, properties: { os: "linux", browser: "", device: "" }, shard } })
  return { ws, send, identify }
}

const decoder = (compression) => {
  if (compression === "none") return (data) => data
  return compression === "zlib-stream"
    ? synchronous(zlib.createInflate(), zlib.constants.Z_SYNC_FLUSH)
    : synchronous(zlib.createZstdDecompress(), zlib.constants.ZSTD_e_flush)
}

/** Every payload parsed; what is not wanted falls away after that. */
export const parseAll = ({ compression, consume = () => {}, shards = 1, url }) => {
  for (let shard = 0; shard < shards; shard++) {
    const { identify, send, ws } = connect(url, compression, [shard, shards])
    const decode = decoder(compression)
    let sequence = null
    ws.on("message", (data) => {
      const { d, op, s, t } = JSON.parse(decode(data))
      if (s !== null) sequence = s
      if (op === 0) consume(t, d)
      else if (op === 1) send({ op: 1, d: sequence })
      else if (op === 10) identify()
    })
  }
}

/** Nothing parsed: frames are counted. */
export const countFrames = ({ compression, frames, framesToHalfway, finish, restart, url }) => {
  const { identify, ws } = connect(url, compression)
  let count = 0
  ws.on("message", () => {
    if (++count === 1) identify()
    if (count === framesToHalfway) restart()
    if (count === frames) finish()
  })
}

/** The name is read from the bytes, and only messages are parsed: what filtering can give at best, by hand. */
export const parseWanted = ({ compression, consume, url }) => {
  const { identify, ws } = connect(url, compression)
  const wanted = Buffer.from('{"t":"MESSAGE_CREATE"')
  let greeted = false
  ws.on("message", (data) => {
    if (!greeted) {
      greeted = true
      return identify()
    }
    if (data.compare(wanted, 0, wanted.length, 0, wanted.length) !== 0) return
    const { d, t } = JSON.parse(data)
    consume(t, d)
  })
}
