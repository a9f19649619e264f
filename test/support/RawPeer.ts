/**
 * The server's end of a WebSocket by `node:net` alone, byte by byte as RFC 6455 has it or as it forbids: it shares nothing with the
 * package that this library uses.
 */
import { createHash } from "node:crypto"
import { createServer, type Server, type Socket } from "node:net"
import * as Effect from "effect/Effect"

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** Bits of the first byte of a frame. */
export interface Head {
  readonly opcode: number
  readonly fin?: boolean
  /** The three reserved bits, as a number. */
  readonly rsv?: number
}

/** A frame of the server, which is not masked. */
export const frame = ({ fin = true, opcode, rsv = 0 }: Head, payload: Uint8Array | string = ""): Buffer => {
  const body = Buffer.from(payload)
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode
  if (body.length < 126) return Buffer.concat([Buffer.from([first, body.length]), body])
  if (body.length < 65_536) {
    const head = Buffer.from([first, 126, 0, 0])
    head.writeUInt16BE(body.length, 2)
    return Buffer.concat([head, body])
  }
  const head = Buffer.alloc(10)
  head[0] = first
  head[1] = 127
  head.writeBigUInt64BE(BigInt(body.length), 2)
  return Buffer.concat([head, body])
}

/** The payload of a close frame. */
export const closing = (code: number, reason: Uint8Array | string = ""): Buffer => {
  const head = Buffer.alloc(2)
  head.writeUInt16BE(code)
  return Buffer.concat([head, Buffer.from(reason)])
}

/** A frame of the client. */
export interface ClientFrame {
  readonly opcode: number
  readonly fin: boolean
  readonly rsv: number
  readonly masked: boolean
  readonly payload: Buffer
}

/** Answer to the upgrade: the right one with changes to its headers, or another status. */
export interface Upgrade {
  readonly status?: string
  readonly headers?: Readonly<Record<string, string | undefined>>
}

/** One connection. */
export class RawPeer {
  readonly frames: Array<ClientFrame> = []
  /** Headers of the request for the upgrade, by their names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  hasEnded = false
  private readonly socket: Socket
  private unread: ReadonlyArray<Buffer> = []
  private size = 0

  constructor(socket: Socket, headers: ReadonlyMap<string, string>) {
    this.socket = socket
    this.headers = headers
    socket.setNoDelay(true)
    socket.on("error", () => undefined)
    socket.on("close", () => {
      this.hasEnded = true
    })
    socket.on("data", (bytes) => this.read(bytes))
  }

  /** Writes bytes; in pieces of `chop`, each of which the client reads by itself. */
  write(bytes: Uint8Array, chop = Infinity): Effect.Effect<void> {
    const { socket } = this
    const begins = chop === Infinity ? [0] : Array.from({ length: Math.ceil(bytes.length / chop) }, (_, n) => n * chop)
    return Effect.forEach(
      begins,
      (from) =>
        Effect.callback<void>((resume) => {
          if (socket.destroyed || socket.writableEnded) return resume(Effect.void)
          socket.write(bytes.subarray(from, from + chop), () => setImmediate(() => resume(Effect.void)))
        }),
      { discard: true }
    )
  }

  /** Ends the TCP connection from this side. */
  end(): void {
    this.socket.end()
  }

  destroy(): void {
    this.socket.destroy()
  }

  private read(bytes: Buffer): void {
    this.unread = [...this.unread, bytes]
    this.size += bytes.length
    const [head] = this.unread
    // Large frames come in many pieces: they are put together once.
    if (head !== undefined && head.length >= 10 && this.size < sizeOf(head)) return
    let rest = Buffer.concat(this.unread)
    while (rest.length >= 2) {
      const size = sizeOf(rest)
      if (rest.length < size) break
      this.frames.push(parsed(rest.subarray(0, size)))
      rest = rest.subarray(size)
    }
    this.unread = rest.length === 0 ? [] : [rest]
    this.size = rest.length
  }
}

/** Where the mask is, and the payload's length. */
const lengths = (bytes: Buffer): { readonly at: number; readonly length: number } => {
  const short = (bytes[1] ?? 0) & 0x7f
  if (short < 126) return { at: 2, length: short }
  if (short === 126) return { at: 4, length: bytes.length < 4 ? Infinity : bytes.readUInt16BE(2) }
  return { at: 10, length: bytes.length < 10 ? Infinity : Number(bytes.readBigUInt64BE(2)) }
}

const isMasked = (bytes: Buffer): boolean => ((bytes[1] ?? 0) & 0x80) !== 0

const sizeOf = (bytes: Buffer): number => {
  const { at, length } = lengths(bytes)
  return at + (isMasked(bytes) ? 4 : 0) + length
}

const parsed = (bytes: Buffer): ClientFrame => {
  const { at } = lengths(bytes)
  const masked = isMasked(bytes)
  const first = bytes[0] ?? 0
  const mask = masked ? bytes.subarray(at, at + 4) : Buffer.alloc(4)
  const payload = Buffer.from(bytes.subarray(masked ? at + 4 : at))
  for (let n = 0; n < payload.length; n++) payload[n] = (payload[n] ?? 0) ^ (mask[n % 4] ?? 0)
  return { opcode: first & 0x0f, fin: (first & 0x80) !== 0, rsv: (first >> 4) & 7, masked, payload }
}

const headersOf = (request: string): ReadonlyMap<string, string> =>
  new Map(
    request.split("\r\n").flatMap((line) => {
      const colon = line.indexOf(":")
      return colon < 0 ? [] : [[line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const]
    })
  )

const answer = (headers: ReadonlyMap<string, string>, { headers: changes = {}, status }: Upgrade): string => {
  const accept = createHash("sha1")
    .update(`${headers.get("sec-websocket-key") ?? ""}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64")
  const all = { Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Accept": accept, ...changes }
  const lines = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}\r\n`]))
  return `HTTP/1.1 ${status ?? "101 Switching Protocols"}\r\n${lines.join("")}\r\n`
}

/** Listens on a loopback port until the scope closes. Each connection is answered as `upgrade` says and then handed over. */
export const serve = (upgrade: (path: string) => Upgrade, onPeer: (peer: RawPeer, path: string) => void) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly server: Server; readonly sockets: Set<Socket> }>((resume) => {
        const sockets = new Set<Socket>()
        const server = createServer((socket) => {
          sockets.add(socket)
          socket.on("error", () => undefined)
          let request = ""
          const onData = (bytes: Buffer) => {
            request += bytes.toString("latin1")
            if (!request.includes("\r\n\r\n")) return
            socket.off("data", onData)
            const headers = headersOf(request)
            const path = /^GET (\S+)/.exec(request)?.[1] ?? "/"
            socket.write(answer(headers, upgrade(path)))
            onPeer(new RawPeer(socket, headers), path)
          }
          socket.on("data", onData)
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed({ server, sockets })))
      }),
      ({ server, sockets }) =>
        Effect.sync(() => {
          server.close()
          for (const socket of sockets) socket.destroy()
        })
    ),
    ({ server }) => {
      const address = server.address()
      return `ws://127.0.0.1:${address === null || typeof address === "string" ? 0 : address.port}`
    }
  )
