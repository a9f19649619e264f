/**
 * Records of client behaviour. Times are milliseconds since 1970 on the `Clock`. No record holds the token.
 */
import type { Host } from "./Fault.ts"

/**
 * Attempt to open a WebSocket connection.
 *
 * @since 0.1.0
 * @category models
 */
export interface DialRecord {
  readonly at: number
  /** URL with its query, normalized by `URL`. */
  readonly url: string
  readonly host: Host
  /** `accepted`, or by a fault `refused`, `ignored` or an HTTP status. */
  readonly outcome: "accepted" | "refused" | "ignored" | number
}

/**
 * Frame of a client.
 *
 * @since 0.1.0
 * @category models
 */
export interface FrameRecord {
  readonly at: number
  /** The `op` of the payload; `undefined` for a frame without one. */
  readonly op: number | undefined
  /** Parsed payload, or the text if it is no JSON. Tokens are replaced by `<token>` or, if wrong, `<wrong token>`. */
  readonly payload: unknown
}

/**
 * End of a connection.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectionEnd {
  readonly at: number
  /** Side that closed or dropped it first, also while the connection was mute. */
  readonly by: "client" | "server"
  /** `close` by a close frame, `drop` by a TCP reset. */
  readonly how: "close" | "drop"
  /** Code of the close frame; `undefined` without a code or without a close frame. */
  readonly code: number | undefined
  readonly reason: string
}

/**
 * Opened WebSocket connection.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectionRecord {
  /** Serial number over all connections, from 1. */
  readonly id: number
  /** URL with its query, normalized by `URL`. */
  readonly url: string
  readonly host: Host
  readonly openedAt: number
  /** `undefined` while it is open. */
  readonly end: ConnectionEnd | undefined
  /** Shard of the last session on it; `undefined` before the first. */
  readonly shard: number | undefined
  readonly sessionId: string | undefined
  /** Frames of the client, in order. */
  readonly frames: ReadonlyArray<FrameRecord>
}

/**
 * Dispatch as sent.
 *
 * @since 0.1.0
 * @category models
 */
export interface DispatchRecord {
  readonly op: 0
  readonly d: unknown
  readonly s: number
  readonly t: string
}

/**
 * Session.
 *
 * @since 0.1.0
 * @category models
 */
export interface SessionRecord {
  readonly id: string
  /** `[shard_id, num_shards]`. */
  readonly shard: readonly [id: number, total: number]
  readonly intents: number
  /** Bit field of IDENTIFY; zero for none. */
  readonly capabilities: number
  /** Sequence of the last dispatch. */
  readonly sequence: number
  readonly connected: boolean
  /** Whether it is connected or can be resumed. */
  readonly alive: boolean
  /** All numbered dispatches in order of the sequence, READY and those not sent yet included; RESUMED where it is replayed. */
  readonly dispatched: ReadonlyArray<DispatchRecord>
}

/**
 * Request to the REST API.
 *
 * @since 0.1.0
 * @category models
 */
export interface RequestRecord {
  readonly at: number
  readonly method: string
  readonly path: string
  /** Text of the body; `undefined` where there is none. */
  readonly body: string | undefined
  /** HTTP status; `undefined` if a fault left the request unanswered. */
  readonly status: number | undefined
}

/**
 * Totals of client behaviour.
 *
 * @since 0.1.0
 * @category models
 */
export interface SimulatorCounts {
  /** Attempts to open a WebSocket connection, including refused ones. */
  readonly dials: number
  /** WebSocket connections that were opened. */
  readonly connections: number
  readonly identifies: number
  readonly resumes: number
  readonly heartbeats: number
  readonly httpRequests: number
  /** IDENTIFYs too early for their bucket. */
  readonly identifyViolations: number
  /** IDENTIFYs beyond the daily budget. Each ends all sessions and resets the token. */
  readonly overruns: number
}

/** Bounded list: drops its oldest entries. */
export class History<A> {
  /** Number of entries ever pushed. */
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
    // Amortized trimming: each trim copies the list.
    if (this.entries.length > 2 * this.limit + 64) this.entries = [...this.all]
  }
}
