/**
 * Discord's end of one WebSocket connection, whatever carries it: what was said on it, and what can be done to it.
 *
 * It knows nothing of the protocol's rules; those are in `GatewayProtocol`.
 */
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import type { Act } from "./Act.ts"
import { type Encoder, plain } from "./Compression.ts"
import type { Host } from "./Fault.ts"
import { type ConnectionEnd, type ConnectionRecord, type FrameRecord, History } from "./Observations.ts"
import type { SimulatedSession } from "./SimulatedSession.ts"
import type { Timers } from "./Timers.ts"

/** The network's side of a connection: each transport has its own. */
export interface Peer {
  readonly send: (frame: string | Uint8Array) => void
  /** Sends a close frame, without a code if there is none, and ends the connection. */
  readonly close: (code: number | undefined, reason: string) => void
  /** Resets the connection. */
  readonly drop: () => void
  /** Stops reading from the network (`false`), where it would answer to close frames by itself, or goes on (`true`). */
  readonly read: (reading: boolean) => void
}

/** A connection of the simulated Discord. */
export class SimulatedConnection {
  readonly id: number
  readonly url: URL
  readonly host: Host
  /** Whether IDENTIFY or RESUME have come, and have been answered. */
  phase: "new" | "pending" | "ready" = "new"
  session: SimulatedSession<SimulatedConnection> | undefined
  /** How it ended. A mute Discord has not noticed yet that the client ended it: see `isOver`. */
  end: ConnectionEnd | undefined
  /** Whether Discord has noticed that it ended. */
  isOver = false
  /** How payloads become frames. */
  encode: Encoder = plain()
  private readonly openedAt: number
  private readonly timers: Timers
  private readonly peer: Peer
  private readonly frames: History<FrameRecord>
  private readonly finalizers: Array<() => void> = []
  /** What is to be said and heard when the connection is no longer mute; `undefined` if it is not mute. */
  private held: Array<() => void> | undefined
  private lastShard: number | undefined
  private lastSessionId: string | undefined

  constructor(id: number, url: URL, host: Host, peer: Peer, timers: Timers, history: number) {
    this.id = id
    this.url = url
    this.host = host
    this.peer = peer
    this.timers = timers
    this.openedAt = timers.now()
    this.frames = new History(history)
  }

  get isMute(): boolean {
    return this.held !== undefined
  }

  get shard(): number | undefined {
    return this.session?.shard[0]
  }

  /** Runs when Discord has noticed that the connection ended, whoever ended it. */
  onEnd(finalizer: () => void): void {
    this.finalizers.push(finalizer)
  }

  note(frame: FrameRecord): void {
    this.frames.push(frame)
  }

  /** Hears what the client says: at once, or when the connection is no longer mute. */
  hear(listen: () => void): void {
    this.unlessMute(() => {
      if (!this.isOver) listen()
    })
  }

  /** Puts a session on this connection. */
  carry(session: SimulatedSession<SimulatedConnection>): void {
    this.session = session
    this.phase = "ready"
    this.lastShard = session.shard[0]
    this.lastSessionId = session.id
  }

  /** Takes the session off this connection: it may be resumed on another one. */
  release(): void {
    if (this.session?.connection === this) this.session.detach(this.timers.now())
    this.session = undefined
    this.phase = "new"
  }

  send(op: GatewayOpcode, d: unknown = null): void {
    this.sendFrame(JSON.stringify({ t: null, s: null, op, d }))
  }

  /** Sends a payload's JSON, in the connection's compression. */
  sendFrame(json: string): void {
    this.say(() => this.peer.send(this.encode(json)))
  }

  /** Sends bytes as they are. */
  sendBytes(bytes: Uint8Array): void {
    this.say(() => this.peer.send(bytes))
  }

  close(code: number | undefined, reason = ""): void {
    this.say(() => {
      this.peer.close(code, reason)
      this.finish({ at: this.timers.now(), by: "server", how: "close", code, reason })
    })
  }

  /** Works on a mute connection, too: it is the network that does it. */
  drop(): void {
    if (this.isOver) return
    this.peer.drop()
    this.finish({ at: this.timers.now(), by: "server", how: "drop", code: undefined, reason: "" })
  }

  mute(): void {
    if (this.isOver || this.isMute) return
    this.held = []
    this.peer.read(false)
  }

  /** Says what was held back, and hears what came meanwhile. */
  unmute(): void {
    const held = this.held
    if (held === undefined) return
    this.held = undefined
    for (const happen of held) this.unlessMute(happen)
    if (!this.isOver && !this.isMute) this.peer.read(true)
  }

  /** The client has sent a close frame, which is answered in kind. `notice` runs when Discord notices. */
  closedByClient(code: number | undefined, reason: string, notice: () => void): void {
    const end: ConnectionEnd = { at: this.timers.now(), by: "client", how: "close", code, reason }
    this.end ??= end
    this.hear(() => {
      notice()
      this.peer.close(code, reason)
      this.finish(end)
    })
  }

  /** The connection was lost, or the client dropped it. */
  lost(): void {
    const end: ConnectionEnd = { at: this.timers.now(), by: "client", how: "drop", code: undefined, reason: "" }
    this.end ??= end
    // What a mute Discord has not read yet is lost with it.
    if (this.held !== undefined) this.held = []
    this.hear(() => this.finish(end))
  }

  /** Does what needs no knowledge of the session: `SimulatedDiscord.perform` does the rest. */
  perform(act: Act): void {
    switch (act._tag) {
      case "Reconnect":
        return this.send(GatewayOpcode.Reconnect)
      case "InvalidSession":
        return this.send(GatewayOpcode.InvalidSession, act.resumable)
      case "RequestHeartbeat":
        return this.send(GatewayOpcode.Heartbeat)
      case "Close":
        return this.close(act.code, act.reason)
      case "Drop":
        return this.drop()
      case "Mute":
        return this.mute()
      case "SendRaw":
        return typeof act.frame === "string" ? this.sendFrame(act.frame) : this.sendBytes(act.frame)
    }
  }

  record(): ConnectionRecord {
    return {
      id: this.id,
      url: this.url.href,
      host: this.host,
      openedAt: this.openedAt,
      end: this.end,
      shard: this.lastShard,
      sessionId: this.lastSessionId,
      frames: this.frames.all
    }
  }

  private say(say: () => void): void {
    this.unlessMute(() => {
      if (this.end === undefined) say()
    })
  }

  private unlessMute(happen: () => void): void {
    if (this.held === undefined) happen()
    else this.held.push(happen)
  }

  private finish(end: ConnectionEnd): void {
    if (this.isOver) return
    this.isOver = true
    this.end ??= end
    this.held = undefined
    this.release()
    for (const finalizer of this.finalizers) finalizer()
  }
}
