/**
 * What the simulator saw its clients do. All times are milliseconds since 1970 on the `Clock`; no record holds the token.
 */
import type { Host } from "./Fault.ts"

/** An attempt to open a WebSocket connection. */
export interface DialRecord {
  readonly at: number
  /** The URL with its query, as `URL` writes it. */
  readonly url: string
  readonly host: Host
  /** `accepted`, or what a fault made of it: `refused`, `ignored` or the HTTP status of the answer. */
  readonly outcome: "accepted" | "refused" | "ignored" | number
}

/** A frame that a client sent. */
export interface FrameRecord {
  readonly at: number
  /** The `op` of the payload, `undefined` where there was none. */
  readonly op: number | undefined
  /** The parsed payload, or the text that is no JSON. A token in it reads `<token>` or, if wrong, `<wrong token>`. */
  readonly payload: unknown
}

/** How a connection came to its end. */
export interface ConnectionEnd {
  readonly at: number
  /** Who closed or dropped it first. A mute Discord does not notice, but the record does. */
  readonly by: "client" | "server"
  /** With a close frame, or by resetting the TCP connection. */
  readonly how: "close" | "drop"
  /** The close frame's code; `undefined` if it had none, or if there was no close frame. */
  readonly code: number | undefined
  readonly reason: string
}

/** A WebSocket connection from its opening on. */
export interface ConnectionRecord {
  /** Counts from 1, over all connections. */
  readonly id: number
  /** The URL with its query, as `URL` writes it. */
  readonly url: string
  readonly host: Host
  readonly openedAt: number
  /** `undefined` while it is open. */
  readonly end: ConnectionEnd | undefined
  /** The shard of its session, once it has one. */
  readonly shard: number | undefined
  readonly sessionId: string | undefined
  /** What the client sent, in order. */
  readonly frames: ReadonlyArray<FrameRecord>
}

/** A dispatch as it was put on the wire. */
export interface DispatchRecord {
  readonly op: 0
  readonly d: unknown
  readonly s: number
  readonly t: string
}

/** A session. */
export interface SessionRecord {
  readonly id: string
  /** `[shard_id, num_shards]`. */
  readonly shard: readonly [id: number, total: number]
  readonly intents: number
  /** The sequence of the last dispatch. */
  readonly sequence: number
  readonly connected: boolean
  /** Whether it can still be resumed, or is connected. */
  readonly alive: boolean
  /** Everything that was dispatched to it in order of the sequence: READY, RESUMED, and what waits for a replay. */
  readonly dispatched: ReadonlyArray<DispatchRecord>
}

/** A request to the REST API. */
export interface RequestRecord {
  readonly at: number
  readonly path: string
  /** `undefined` if a fault left it without an answer. */
  readonly status: number | undefined
}

/** How often clients did what. */
export interface Counts {
  /** Attempts to open a WebSocket connection, refused ones included. */
  readonly dials: number
  /** WebSocket connections that were opened. */
  readonly connections: number
  readonly identifies: number
  readonly resumes: number
  readonly heartbeats: number
  readonly httpRequests: number
  /** IDENTIFYs that came too early for their bucket. */
  readonly identifyViolations: number
  /** IDENTIFYs beyond the day's budget: each ends all sessions and resets the token. */
  readonly overruns: number
}

/** A list that forgets its oldest entries. */
export class History<A> {
  /** How many entries there ever were. */
  total = 0
  private entries: Array<A> = []
  private readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }

  get all(): ReadonlyArray<A> {
    return this.entries.slice(Math.max(0, this.entries.length - this.limit))
  }

  push(entry: A): void {
    this.total += 1
    this.entries.push(entry)
    // Trimmed in large steps, since each step copies.
    if (this.entries.length > 2 * this.limit + 64) this.entries = [...this.all]
  }
}
