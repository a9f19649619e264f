/**
 * One machine's connections to the simulated Discord: what arrives for a machine that is paused or cut off waits for it, and its
 * connections are reset when it is killed.
 */
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type { WebSocketConstructor, WebSocketEvent, WebSocketLike } from "effect/socket/Socket"
import type { MachineClock } from "./MachineClock.ts"

type EventType = "open" | "message" | "error" | "close"
type Listener = (event: WebSocketEvent) => void

/** The network of a machine. */
export class MachineNetwork {
  private readonly clock: MachineClock
  private readonly sockets = new Set<HeldSocket>()
  private isCut = false
  private isDead = false

  constructor(clock: MachineClock) {
    this.clock = clock
  }

  /** Whether events wait. */
  readonly isHeld = (): boolean => this.isCut || this.isDead || !this.clock.isRunning()

  /** Connections of the machine over those of Discord's network. */
  readonly construct =
    (dial: WebSocketConstructor["Service"]): WebSocketConstructor["Service"] =>
    (url, options) => {
      const socket = new HeldSocket(dial(url, options), this.isHeld)
      this.sockets.add(socket)
      if (this.isDead) socket.terminate()
      return socket
    }

  readonly http = (client: HttpClient.HttpClient): HttpClient.HttpClient =>
    HttpClient.transformResponse(client, (response) =>
      Effect.suspend(() => (this.isDead || this.isCut ? Effect.never : Effect.tap(response, this.clock.running)))
    )

  /** Holds what comes and goes. */
  cut(): void {
    this.isCut = true
  }

  mend(): void {
    this.isCut = false
    this.release()
  }

  /** Hands over what has waited, where nothing stands in the way. */
  release(): void {
    if (this.isHeld()) return
    for (const socket of this.sockets) socket.release()
  }

  /** Resets all connections. */
  die(): void {
    this.isDead = true
    for (const socket of this.sockets) socket.reset()
  }
}

/** A WebSocket whose events and frames can be held. */
class HeldSocket implements WebSocketLike {
  private readonly socket: WebSocketLike
  private readonly isHeld: () => boolean
  private waiting: Array<() => void> = []
  private readonly wrapped = new Map<Listener, Listener>()

  constructor(socket: WebSocketLike, isHeld: () => boolean) {
    this.socket = socket
    this.isHeld = isHeld
  }

  get readyState(): number {
    return this.socket.readyState
  }

  addEventListener(type: EventType, listener: Listener, options?: { readonly once?: boolean }): void {
    const held: Listener = (event) => {
      if (this.isHeld() || this.waiting.length > 0) this.waiting.push(() => listener(event))
      else listener(event)
    }
    this.wrapped.set(listener, held)
    this.socket.addEventListener(type, held, options)
  }

  removeEventListener(type: EventType, listener: Listener): void {
    const held = this.wrapped.get(listener)
    if (held !== undefined) this.socket.removeEventListener(type, held)
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (this.isHeld()) this.waiting.push(() => this.socket.send(data))
    else this.socket.send(data)
  }

  close(code?: number, reason?: string): void {
    // A close frame that cannot leave is as good as none.
    if (this.isHeld()) this.terminate()
    else this.socket.close(code, reason)
  }

  terminate(): void {
    if ("terminate" in this.socket && typeof this.socket.terminate === "function") this.socket.terminate()
  }

  /** Resets the connection, and tells the machine nothing of it. */
  reset(): void {
    this.waiting = []
    this.terminate()
  }

  release(): void {
    while (this.waiting.length > 0 && !this.isHeld()) this.waiting.shift()?.()
  }
}
