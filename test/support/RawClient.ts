/**
 * The smallest client that tests can speak the protocol with: it does nothing of its own accord.
 */
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { WebSocketConstructor, type WebSocketLike } from "effect/socket/Socket"

/** Members of `ws` beyond a browser's WebSocket. */
export interface Pausable {
  readonly isPaused: boolean
  pause(): void
  resume(): void
  terminate(): void
}

/** A payload as Discord sends it. */
export interface Received {
  readonly op: number
  readonly d: unknown
  readonly s: number | null
  readonly t: string | null
}

export const mainUrl = "wss://gateway.discord.gg/?v=10&encoding=json"
export const resumeUrl = "wss://gateway-sim1.discord.gg/?v=10&encoding=json"

/** A WebSocket and everything that happened on it. */
export class RawClient {
  readonly socket: WebSocketLike
  readonly happened: Array<string> = []
  readonly frames: Array<unknown> = []
  closed: { readonly code: number; readonly reason: string } | undefined

  constructor(socket: WebSocketLike) {
    this.socket = socket
    socket.addEventListener("open", () => this.happened.push("open"))
    socket.addEventListener("error", () => this.happened.push("error"))
    socket.addEventListener("message", ({ data }) => {
      this.happened.push("message")
      this.frames.push(data)
    })
    socket.addEventListener("close", ({ code = 0, reason = "" }) => {
      this.happened.push("close")
      this.closed = { code, reason }
    })
  }

  /** The socket with what `ws` has beyond a browser's WebSocket. */
  get ws(): WebSocketLike & Pausable {
    const { socket } = this
    if (!("terminate" in socket)) throw new Error("The socket is not like one of `ws`")
    return socket as WebSocketLike & Pausable
  }

  get received(): ReadonlyArray<Received> {
    return this.frames.map((frame) =>
      JSON.parse(typeof frame === "string" ? frame : new TextDecoder().decode(frame as Uint8Array))
    )
  }

  get ops(): ReadonlyArray<number> {
    return this.received.map(({ op }) => op)
  }

  get events(): ReadonlyArray<string> {
    return this.received.flatMap(({ t }) => (t === null ? [] : [t]))
  }

  get sequences(): ReadonlyArray<number> {
    return this.received.flatMap(({ s }) => (s === null ? [] : [s]))
  }

  /** The `d` of the first dispatch of this name. */
  event(name: string): Record<string, unknown> {
    const payload = this.received.find(({ t }) => t === name)
    if (payload === undefined) throw new Error(`There was no ${name} among ${this.events.join(", ")}`)
    return payload.d as Record<string, unknown>
  }

  get sessionId(): string {
    return String(this.event("READY")["session_id"])
  }

  send(op: number, d: unknown = null): void {
    this.socket.send(JSON.stringify({ op, d }))
  }

  identify(changes: Readonly<Record<string, unknown>> = {}): void {
    this.send(2, identifyWith(changes))
  }

  resume(session_id: string, seq: number, token = "simulated-token"): void {
    this.send(6, { token, session_id, seq })
  }
}

/** The `d` of an IDENTIFY that Discord accepts, with changes. */
export const identifyWith = (changes: Readonly<Record<string, unknown>>) => ({
  token: "simulated-token",
  intents: 513,
  properties: { os: "linux", browser: "test", device: "test" },
  ...changes
})

/** Dials the simulator of the context. */
export const dial = (url = mainUrl) => Effect.map(WebSocketConstructor, (construct) => new RawClient(construct(url)))

/** A client that is past READY, two seconds later. */
export const connected = Effect.fnUntraced(function* (identify: Readonly<Record<string, unknown>> = {}) {
  const client = yield* dial()
  yield* TestClock.adjust("1 second")
  client.identify(identify)
  yield* TestClock.adjust("1 second")
  return client
})
