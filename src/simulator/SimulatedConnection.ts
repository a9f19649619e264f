/**
 * Discord's end of one WebSocket connection, on any transport: sending, muting, ending, and the record of its frames.
 *
 * The rules of the protocol are in `GatewayProtocol`.
 */
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import type { Act } from "./Act.ts"
import { type Encoder, plain } from "./Compression.ts"
import type { Host } from "./Fault.ts"
import { type ConnectionEnd, type ConnectionRecord, type FrameRecord, History } from "./Observations.ts"
import type { SimulatedSession } from "./SimulatedSession.ts"
import type { Timers } from "./Timers.ts"

/** Transport of a connection. */
export interface Peer {
  readonly send: (frame: string | Uint8Array) => void
  /** Sends a close frame, without a code if it is `undefined`, and ends the connection. */
  readonly close: (code: number | undefined, reason: string) => void
  /** Resets the TCP connection. */
  readonly drop: () => void
  /** Pauses (`false`) or resumes (`true`) reading. A paused transport does not answer close frames. */
  readonly read: (reading: boolean) => void
}

/** Connection of the simulated Discord. */
export class SimulatedConnection {
  readonly id: number
  readonly url: URL
  readonly host: Host
  /** `pending` from IDENTIFY or RESUME to its answer, `ready` afterwards. */
  phase: "new" | "pending" | "ready" = "new"
  session: SimulatedSession<SimulatedConnection> | undefined
  /** End of the connection, also one by the client that a mute connection has not processed: see `isOver`. */
  end: ConnectionEnd | undefined
  /** Whether its end has been processed. */
  isOver = false
  /** Whether dispatches are held back. */
  isDeaf = false
  /** Encoder of payloads into frames. */
  encode: Encoder = plain()
  private readonly openedAt: number
  private readonly timers: Timers
  private readonly peer: Peer
  private readonly frames: History<FrameRecord>
  private readonly finalizers: Array<() => void> = []
  /** Tasks deferred until `unmute`; `undefined` while the connection is not mute. */
  private held: Array<() => void> | undefined
  /** Deferred tasks while `unmute` runs them. */
  private backlog: Array<() => void> | undefined
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

  /** Registers a finalizer, which runs once the end has been processed. */
  onEnd(finalizer: () => void): void {
    this.finalizers.push(finalizer)
  }

  note(frame: FrameRecord): void {
    this.frames.push(frame)
  }

  /** Runs a task for a frame of the client: at once, or on `unmute`. */
  hear(listen: () => void): void {
    this.unlessMute(() => {
      if (!this.isOver) listen()
    })
  }

  /** Binds a session to this connection. */
  carry(session: SimulatedSession<SimulatedConnection>): void {
    this.session = session
    this.phase = "ready"
    this.lastShard = session.shard[0]
    this.lastSessionId = session.id
  }

  /** Unbinds the session, which can then be resumed on another connection. */
  release(): void {
    if (this.session?.connection === this) this.session.detach(this.timers.now())
    this.session = undefined
    this.phase = "new"
  }

  send(op: GatewayOpcode, d: unknown = null): void {
    this.sendFrame(JSON.stringify({ t: null, s: null, op, d }))
  }

  /** Sends the JSON of a payload, compressed. */
  sendFrame(json: string): void {
    this.say(() => this.peer.send(this.encode(json)))
  }

  /** Sends the JSON of a dispatch, unless the connection is deaf. */
  sendDispatch(json: string): void {
    if (!this.isDeaf) this.sendFrame(json)
  }

  /** Sends bytes without compression. */
  sendBytes(bytes: Uint8Array): void {
    this.say(() => this.peer.send(bytes))
  }

  close(code: number | undefined, reason = ""): void {
    this.say(() => {
      this.peer.close(code, reason)
      this.finish({ at: this.timers.now(), by: "server", how: "close", code, reason })
    })
  }

  /** Resets the TCP connection, also a mute one. */
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

  /** Runs the deferred tasks and resumes reading. */
  unmute(): void {
    const backlog = this.held
    if (backlog === undefined) return
    this.held = undefined
    this.backlog = backlog
    // It grows: whatever a task answers comes behind all that was held back, as its sequence does.
    for (const happen of backlog) {
      if (this.isMute) this.unlessMute(happen)
      else happen()
    }
    this.backlog = undefined
    if (!this.isOver && !this.isMute) this.peer.read(true)
  }

  /** Handles a close frame of the client, which is echoed. `notice` runs just before that. */
  closedByClient(code: number | undefined, reason: string, notice: () => void): void {
    const end: ConnectionEnd = { at: this.timers.now(), by: "client", how: "close", code, reason }
    this.end ??= end
    this.hear(() => {
      notice()
      this.peer.close(code, reason)
      this.finish(end)
    })
  }

  /** Handles the loss of the connection. */
  lost(): void {
    const end: ConnectionEnd = { at: this.timers.now(), by: "client", how: "drop", code: undefined, reason: "" }
    this.end ??= end
    // Frames that a mute connection has not read are lost.
    if (this.held !== undefined) this.held = []
    this.hear(() => this.finish(end))
  }

  /** Performs the part of an act that needs no session: see `SimulatedDiscord.perform`. */
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
      case "Deafen":
        this.isDeaf = true
        return
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
    const queue = this.held ?? this.backlog
    if (queue === undefined) happen()
    else queue.push(happen)
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
