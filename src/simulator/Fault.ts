/**
 * Faults as data: at a point of the protocol, another answer than the regular one.
 *
 * A fault is in effect until it has applied `times` times or is lifted. `host` and `shard` restrict it.
 *
 * | behaviour of Discord | fault |
 * |---|---|
 * | three dials are refused | `Fault.dial("refuse", { times: 3 })` |
 * | the resume host is dead, the main host works | `Fault.dial("refuse", { host: "resume" })` |
 * | a dial is never answered | `Fault.dial("ignore")` |
 * | connections are accepted, then closed | `Fault.hello(Act.close(4000))` or `Fault.hello(Act.drop)` |
 * | there is no HELLO | `Fault.hello(Act.mute)` |
 * | there is a HELLO and then silence | `Fault.hello(Act.mute, { when: "after" })` |
 * | op 7 comes before HELLO, or instead of it | `Fault.hello(Act.reconnect, { when: "before" })`, `Fault.hello(Act.reconnect)` |
 * | heartbeats are not acknowledged | `Fault.heartbeat(Fault.nothing)` |
 * | READY takes a minute | `Fault.identify(Fault.late("1 minute"))` |
 * | RESUME is answered by op 9 twice | `Fault.resume(Act.invalidSession(true), { times: 2 })` |
 * | the connection is lost right after RESUMED | `Fault.resume(Act.drop, { when: "after" })` |
 * | the REST API is down, or rate limits the bot | `Fault.http({ status: 503 })`, `Fault.http({ status: 429, retryAfter: "2 seconds" })` |
 * | the upgrade is refused for a while | `Fault.dial({ status: 503, retryAfter: "30 seconds" })` |
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type { Act } from "./Act.ts"

/**
 * Host of a connection: `main` for the gateway's URL, `resume` for READY's `resume_gateway_url`.
 *
 * @since 0.1.0
 * @category models
 */
export type Host = "main" | "resume"

/**
 * Number of times that a fault applies.
 *
 * @since 0.1.0
 * @category models
 */
export interface Times {
  /** Default: any number of times, until the fault is lifted. */
  readonly times?: number
}

/**
 * Restriction of a fault to some dials.
 *
 * @since 0.1.0
 * @category models
 */
export interface DialOptions extends Times {
  /** Restricts the fault to connections to this host. */
  readonly host?: Host
}

/**
 * Restriction of a fault to some payloads, and its order relative to the regular answer.
 *
 * @since 0.1.0
 * @category models
 */
export interface AnswerOptions extends DialOptions {
  /** Restricts the fault to this shard. Not for HELLO: the shard is unknown before IDENTIFY or RESUME. */
  readonly shard?: number
  /** `"instead"` of the regular answer (the default), `"before"` or `"after"` it. */
  readonly when?: "instead" | "before" | "after"
}

/**
 * Answer of HTTP with a status, in place of the regular one.
 *
 * @since 0.1.0
 * @category models
 */
export interface HttpAnswer {
  readonly status: number
  /** Retry-After in seconds. Default for the status 429 of the REST API: 1 second. */
  readonly retryAfter?: Duration.Input
  /** More headers, such as a `retry-after` that is a date. */
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * Answer to a dial: no TCP connection, no answer at all, or an HTTP status in place of the upgrade.
 *
 * @since 0.1.0
 * @category models
 */
export type DialAnswer = "refuse" | "ignore" | HttpAnswer

/**
 * Answer to a REST request. `malformed` is status 200 with invalid JSON, `unreachable` a network error.
 *
 * @since 0.1.0
 * @category models
 */
export type HttpFault = "malformed" | "unreachable" | "ignore" | HttpAnswer

/**
 * Answer to a payload: an act, no answer, or the regular answer later.
 *
 * @since 0.1.0
 * @category models
 */
export type Answer = Act | { readonly _tag: "Nothing" } | { readonly _tag: "Late"; readonly by: Duration.Duration }

/**
 * Fault at one point of the protocol.
 *
 * @since 0.1.0
 * @category models
 */
export type Fault =
  | ({ readonly at: "http"; readonly answer: HttpFault } & Times)
  | ({ readonly at: "dial"; readonly answer: DialAnswer } & DialOptions)
  | ({ readonly at: "hello" | "heartbeat" | "identify" | "resume"; readonly answer: Answer } & AnswerOptions)

/**
 * Answer to REST requests.
 *
 * @since 0.1.0
 * @category constructors
 */
export const http = (answer: HttpFault, options: Times = {}): Fault => ({ at: "http", answer, ...options })

/**
 * Answer to attempts to open a WebSocket connection.
 *
 * @since 0.1.0
 * @category constructors
 */
export const dial = (answer: DialAnswer, options: DialOptions = {}): Fault => ({ at: "dial", answer, ...options })

/**
 * Replacement for HELLO on a new connection.
 *
 * @since 0.1.0
 * @category constructors
 */
export const hello = (answer: Answer, options: AnswerOptions = {}): Fault => ({ at: "hello", answer, ...options })

/**
 * Replacement for the acknowledgement of a heartbeat.
 *
 * @since 0.1.0
 * @category constructors
 */
export const heartbeat = (answer: Answer, options: AnswerOptions = {}): Fault => ({
  at: "heartbeat",
  answer,
  ...options
})

/**
 * Replacement for READY. The IDENTIFY counts against the limits.
 *
 * @since 0.1.0
 * @category constructors
 */
export const identify = (answer: Answer, options: AnswerOptions = {}): Fault => ({ at: "identify", answer, ...options })

/**
 * Replacement for the replay and RESUMED.
 *
 * @since 0.1.0
 * @category constructors
 */
export const resume = (answer: Answer, options: AnswerOptions = {}): Fault => ({ at: "resume", answer, ...options })

/**
 * No answer; the connection works otherwise.
 *
 * @since 0.1.0
 * @category constructors
 */
export const nothing: Answer = { _tag: "Nothing" }

/**
 * Regular answer, delayed. `when` is ignored.
 *
 * @since 0.1.0
 * @category constructors
 */
export const late = (by: Duration.Input): Answer => ({ _tag: "Late", by: Duration.fromInputUnsafe(by) })
