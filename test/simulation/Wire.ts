/**
 * The network of one process of the client: it takes down what went over the wire, and when the process is killed, it
 * is cut at that instant.
 *
 * It stands between the client and the simulator and believes neither: its record is what the verdict is founded on.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { HttpClient } from "effect/http/HttpClient"
import * as HttpClientModule from "effect/http/HttpClient"
import * as Predicate from "effect/Predicate"
import { WebSocketConstructor, type WebSocketEvent, type WebSocketLike } from "effect/socket/Socket"
import * as Frames from "./Frames.ts"

/** A dispatch that arrived at the client's socket. */
export interface Arrival {
  readonly s: number
}

/** A WebSocket connection, or an attempt at one. Times are milliseconds since the epoch. */
export interface WireConnection {
  readonly dialledAt: number
  /** Of the session that it carries; undefined until IDENTIFY or RESUME are sent. */
  shard: number | undefined
  /** The session that is carried: RESUME names it, and READY. */
  sessionId: string | undefined
  /** When frames were sent. */
  readonly frames: Array<number>
  readonly beats: Array<number>
  /** After which sequence the client resumed. */
  resumedAfter: number
  /** How often Discord asked for a heartbeat. */
  beatsAskedFor: number
  readonly acknowledgements: Array<number>
  /** The dispatches that arrived before anything that ends the connection. */
  readonly dispatches: Array<{ readonly sessionId: string; readonly s: number }>
  /** Whether READY or RESUMED have arrived. */
  isEstablished: boolean
  /** The payloads that the program sent, by their numbers, and whether it was too early for them. */
  readonly sent: Array<{ readonly n: number; readonly tooEarly: boolean }>
  /** How often the program asked for the members of a guild. */
  asked: number
  /** Whether something has arrived that is no payload. */
  isGarbled: boolean
  /** Whether something that ends the connection has arrived: op 7, op 9, what is no payload, a close. */
  isEnding: boolean
  /** With which code Discord closed it. */
  closed: { readonly at: number; readonly code: number; readonly reason: string } | undefined
  /** When the client has given it up. */
  leftAt: number | undefined
  /** With which code. */
  leftWith: number | undefined
}

/** Record of the wire. */
export interface WireRecord {
  readonly connections: Array<WireConnection>
  readonly identifies: Array<{ readonly at: number; readonly shard: number }>
  readonly resumes: Array<{ readonly at: number; readonly sessionId: string; readonly seq: number }>
  /** Sequences that the client told of a session, in order: by heartbeats, and by the RESUMEs after them. */
  readonly told: Array<{
    readonly at: number
    readonly by: "heartbeat" | "RESUME"
    readonly sessionId: string
    readonly seq: number
  }>
  /** How often Discord said that a session is gone: op 9 with `false`, close 4003, 4007, 4009. */
  invalidations: number
}

/** The network of a process. */
export interface Wire {
  readonly record: WireRecord
  readonly construct: WebSocketConstructor["Service"]
  readonly http: HttpClient
  /** The process is gone: nothing goes out any more, and its connections are reset. */
  readonly kill: () => void
}

/** Observer of the wire. */
export interface Watchers {
  /** The client is about to IDENTIFY. */
  readonly onIdentify: (shard: number) => void
  /** Which shard a session is of. */
  readonly shardOf: (sessionId: string) => number | undefined
  /** The client is about to send something. */
  readonly onSend: (what: "heartbeat" | "RESUME" | "IDENTIFY") => void
}

/** A network that leads to the simulator. */
export const make = Effect.fnUntraced(function* (watchers: Watchers) {
  const construct = yield* WebSocketConstructor
  const http = yield* HttpClient
  const clock = yield* Clock.Clock
  const record: WireRecord = { connections: [], identifies: [], resumes: [], told: [], invalidations: 0 }
  const sockets = new Set<WatchedSocket>()
  let killed = false

  return {
    record,
    construct: (url, options) => {
      if (killed) throw new Error("this process was killed")
      const socket = new WatchedSocket(
        construct(url, options),
        url,
        () => clock.currentTimeMillisUnsafe(),
        record,
        watchers
      )
      sockets.add(socket)
      return socket
    },
    http: HttpClientModule.transform(http, (effect) => Effect.suspend(() => (killed ? Effect.never : effect))),
    kill: () => {
      killed = true
      for (const socket of sockets) socket.kill()
    }
  } satisfies Wire
})

const closedState = 3

class WatchedSocket implements WebSocketLike {
  private readonly inner: WebSocketLike
  private readonly read: Frames.Reader
  private readonly now: () => number
  private readonly record: WireRecord
  private readonly watchers: Watchers
  private readonly connection: WireConnection
  private killed = false

  constructor(inner: WebSocketLike, url: string, now: () => number, record: WireRecord, watchers: Watchers) {
    this.inner = inner
    this.read = Frames.reader(url)
    this.now = now
    this.record = record
    this.watchers = watchers
    this.connection = {
      dialledAt: now(),
      shard: undefined,
      sessionId: undefined,
      frames: [],
      beats: [],
      resumedAfter: 0,
      beatsAskedFor: 0,
      acknowledgements: [],
      dispatches: [],
      isEstablished: false,
      sent: [],
      asked: 0,
      isGarbled: false,
      isEnding: false,
      closed: undefined,
      leftAt: undefined,
      leftWith: undefined
    }
    record.connections.push(this.connection)
    inner.addEventListener("message", ({ data }) => this.arrived(data))
    inner.addEventListener("close", (event) => this.closed(event))
  }

  get readyState(): number {
    return this.killed ? closedState : this.inner.readyState
  }

  get isPaused(): boolean {
    return Predicate.hasProperty(this.inner, "isPaused") && this.inner.isPaused === true
  }

  addEventListener(
    type: "open" | "message" | "error" | "close",
    listener: (event: WebSocketEvent) => void,
    options?: { readonly once?: boolean }
  ): void {
    this.inner.addEventListener(type, listener, options)
  }

  removeEventListener(type: "open" | "message" | "error" | "close", listener: (event: WebSocketEvent) => void): void {
    this.inner.removeEventListener(type, listener)
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (this.killed) return
    if (typeof data === "string") this.sent(data)
    // A process may be killed by what it is about to send.
    if (!this.isKilled()) this.inner.send(data)
  }

  close(code?: number, reason?: string): void {
    if (this.killed) return
    this.connection.leftWith ??= code
    this.left()
    this.inner.close(code, reason)
  }

  terminate(): void {
    if (this.killed) return
    this.left()
    call(this.inner, "terminate")
  }

  pause(): void {
    if (!this.killed) call(this.inner, "pause")
  }

  resume(): void {
    if (!this.killed) call(this.inner, "resume")
  }

  kill(): void {
    if (this.killed) return
    if (this.inner.readyState !== closedState) call(this.inner, "terminate")
    this.left()
    this.killed = true
  }

  private isKilled(): boolean {
    return this.killed
  }

  private left(): void {
    if (this.connection.closed === undefined) this.connection.leftAt ??= this.now()
  }

  private sent(text: string): void {
    const { connection, record } = this
    const at = this.now()
    const { d, op } = JSON.parse(text)
    connection.frames.push(at)
    if (op === 1) {
      connection.beats.push(at)
      const { sessionId } = connection
      if (sessionId !== undefined && typeof d === "number") {
        record.told.push({ at, by: "heartbeat", sessionId, seq: d })
      }
      this.watchers.onSend("heartbeat")
    }
    if (op === 2) {
      const [shard] = d.shard
      connection.shard = shard
      record.identifies.push({ at, shard })
      this.watchers.onIdentify(shard)
      this.watchers.onSend("IDENTIFY")
    }
    if (op === 8) connection.asked += 1
    if (op === 4) connection.sent.push({ n: Number(d.channel_id), tooEarly: !connection.isEstablished })
    if (op === 6) {
      connection.shard = this.watchers.shardOf(d.session_id)
      connection.sessionId = d.session_id
      connection.resumedAfter = d.seq
      record.resumes.push({ at, sessionId: d.session_id, seq: d.seq })
      record.told.push({ at, by: "RESUME", sessionId: d.session_id, seq: d.seq })
      this.watchers.onSend("RESUME")
    }
  }

  private arrived(data: unknown): void {
    const { connection, record } = this
    if (connection.leftAt !== undefined || this.killed) return
    const payload = parse(this.read(data))
    if (payload?.op === 9 && payload.d !== true) record.invalidations += 1
    // A client may leave out what is no payload, and go on.
    if (payload?.op === 0 && (payload.t === "READY" || payload.t === "RESUMED")) connection.isEstablished = true
    if (connection.isEnding) return
    switch (payload?.op) {
      case 0: {
        if (typeof payload.s !== "number" || typeof payload.t !== "string" || payload.s < 0) break
        if (payload.t === "READY" && Predicate.hasProperty(payload.d, "session_id")) {
          connection.sessionId = String(payload.d.session_id)
        }
        if (connection.sessionId !== undefined && payload.s > connection.resumedAfter) {
          connection.dispatches.push({ sessionId: connection.sessionId, s: payload.s })
        }
        return
      }
      case 1:
        connection.beatsAskedFor += 1
        return
      case 7:
      case 9:
        connection.isEnding = true
        return
      case 11:
        connection.acknowledgements.push(this.now())
        return
      case 10:
        if (Predicate.hasProperty(payload.d, "heartbeat_interval") && Number(payload.d.heartbeat_interval) > 0) return
        break
      default:
        if (payload !== undefined && typeof payload.op === "number" && payload.op >= 0 && payload.op % 1 === 0) return
    }
    connection.isGarbled = true
    // Whether the client ends the connection for what is no payload, or leaves it out, is for the client to say.
    connection.isEnding = true
  }

  private closed({ code = 1006, reason = "" }: WebSocketEvent): void {
    const { connection } = this
    if (connection.leftAt !== undefined) return
    connection.closed = { at: this.now(), code, reason }
    if (code === 4003 || code === 4007 || code === 4009) this.record.invalidations += 1
    connection.isEnding = true
  }
}

const call = (socket: WebSocketLike, name: "pause" | "resume" | "terminate"): void => {
  if (!Predicate.hasProperty(socket, name)) return
  const method = socket[name]
  if (Predicate.isFunction(method)) method.call(socket)
}

interface Frame {
  readonly op?: unknown
  readonly d?: unknown
  readonly s?: unknown
  readonly t?: unknown
}

const parse = (text: string | undefined): Frame | undefined => {
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return Predicate.isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
