/**
 * Client's end of an in-memory connection: a `WebSocketLike` that behaves like the `WebSocket` of the package `ws`.
 *
 * It has the `pause`, `resume`, `isPaused` and `terminate` of `ws`, throws where `ws` throws, and waits 30 seconds for the
 * answer to its close frame.
 */
import { constVoid } from "effect/Function"
import type { WebSocketEvent, WebSocketLike } from "effect/socket/Socket"
import { Link } from "./Link.ts"
import type { Timers } from "./Timers.ts"

/** Item from the client to the server. */
export type Upward =
  | { readonly _tag: "Dial" }
  | { readonly _tag: "Frame"; readonly data: string | Uint8Array }
  | { readonly _tag: "Close"; readonly code: number | undefined; readonly reason: string }
  | { readonly _tag: "Lost" }

/** Item from the server to the client. */
export type Downward =
  | { readonly _tag: "Accepted" }
  | {
      readonly _tag: "Refused"
      readonly message: string
      readonly headers: Readonly<Record<string, string>> | undefined
    }
  | { readonly _tag: "Frame"; readonly data: string | Uint8Array }
  | { readonly _tag: "Close"; readonly code: number | undefined; readonly reason: string }
  | { readonly _tag: "Lost" }

type EventType = "open" | "message" | "error" | "close"
type Listener = (event: WebSocketEvent) => void

const connecting = 0
const open = 1
const closing = 2
const closed = 3

const closeTimeout = 30_000

/** WebSocket to the simulator. */
export class MemorySocket implements WebSocketLike {
  readyState = connecting
  isPaused = false
  /** Headers of the answer that refused the upgrade. */
  refusalHeaders: Readonly<Record<string, string>> | undefined
  /** Incoming direction. */
  readonly down: Link<Downward>
  private readonly up: Link<Upward>
  private readonly timers: Timers
  private readonly listeners: Array<{ readonly type: EventType; readonly listener: Listener; readonly once: boolean }> =
    []
  private callOffTimeout = constVoid

  constructor(timers: Timers, latency: number, up: Link<Upward>) {
    this.timers = timers
    this.up = up
    this.down = new Link(timers, latency, (item) => this.arrived(item))
    up.put({ _tag: "Dial" })
  }

  addEventListener(type: EventType, listener: Listener, options?: { readonly once?: boolean }): void {
    if (this.listeners.some((known) => known.type === type && known.listener === listener)) return
    this.listeners.push({ type, listener, once: options?.once === true })
  }

  removeEventListener(type: EventType, listener: Listener): void {
    const index = this.listeners.findIndex((known) => known.type === type && known.listener === listener)
    if (index >= 0) this.listeners.splice(index, 1)
  }

  send(data: string | Uint8Array): void {
    if (this.readyState === connecting) throw new Error("WebSocket is not open: readyState 0 (CONNECTING)")
    if (this.readyState === open) this.up.put({ _tag: "Frame", data })
  }

  close(code?: number, reason = ""): void {
    if (code !== undefined && !isValidCode(code)) throw new TypeError(`${code} is not a valid close code`)
    if (this.readyState === connecting) return this.abort()
    if (this.readyState !== open) return
    this.readyState = closing
    this.up.put({ _tag: "Close", code, reason })
    const callOffs = [
      this.timers.after(closeTimeout, () => this.finish(1006, "")),
      // A test may end while Discord is mute, and then no timeout of a `TestClock` ends the wait for the answer.
      this.timers.whenStill(() => this.finish(1006, ""))
    ]
    this.callOffTimeout = () => callOffs.forEach((callOff) => callOff())
    // The closing handshake skips the latency: a scope that closes after the last adjustment of a TestClock would wait for
    // ever.
    this.up.hurry()
  }

  /** Destroys the connection without a closing handshake. */
  terminate(): void {
    if (this.readyState === connecting) return this.abort()
    if (this.readyState === closed) return
    this.readyState = closing
    this.up.put({ _tag: "Lost" })
    this.down.cut()
    this.timers.after(0, () => this.finish(1006, ""))
  }

  /** Stops reading. Frames, and a close frame behind them, stay in the network. */
  pause(): void {
    if (this.readyState === connecting || this.readyState === closed) return
    this.isPaused = true
    this.down.pause()
  }

  resume(): void {
    if (this.readyState === connecting || this.readyState === closed) return
    this.isPaused = false
    this.down.resume()
  }

  private abort(): void {
    this.readyState = closing
    this.up.put({ _tag: "Lost" })
    this.down.cut()
    this.timers.after(0, () => this.fail("WebSocket was closed before the connection was established"))
  }

  private arrived(item: Downward): void {
    if (this.readyState === closed) return
    switch (item._tag) {
      case "Accepted":
        this.readyState = open
        return this.emit({ type: "open" })
      case "Refused":
        this.refusalHeaders = item.headers
        return this.fail(item.message)
      case "Frame":
        return this.emit({ type: "message", data: item.data })
      case "Close":
        return this.finish(item.code ?? 1005, item.reason)
      case "Lost":
        return this.finish(1006, "")
    }
  }

  private fail(message: string): void {
    this.readyState = closing
    const error = new Error(message)
    this.emit({ type: "error", message, error })
    this.finish(1006, "")
  }

  private finish(code: number, reason: string): void {
    if (this.readyState === closed) return
    this.readyState = closed
    this.callOffTimeout()
    this.down.cut()
    // Tells the server, which ignores it if the connection has ended there.
    this.up.put({ _tag: "Lost" })
    this.emit({ type: "close", code, reason })
  }

  private emit(
    event: WebSocketEvent & { readonly type: EventType; readonly message?: string; readonly error?: Error }
  ) {
    for (const { listener, once, type } of this.listeners.slice()) {
      if (type !== event.type) continue
      if (once) this.removeEventListener(type, listener)
      listener(event)
    }
  }
}

const isValidCode = (code: number): boolean =>
  (code >= 3000 && code <= 4999) || (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code))
