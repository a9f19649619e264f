/**
 * What goes wrong at Discord, as data: at a point of the protocol, something other than the right answer.
 *
 * A fault stands until it has been met `times` times, or until it is lifted. `host` and `shard` say whom it concerns.
 *
 * | it happens that … | the fault |
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
 * | the connection falls right after RESUMED | `Fault.resume(Act.drop, { when: "after" })` |
 * | the REST API is down, or limits us | `Fault.http({ status: 503 })`, `Fault.http({ status: 429, retryAfter: "2 seconds" })` |
 */
import * as Duration from "effect/Duration"
import type { Act } from "./Act.ts"

/** Where a connection was dialled to: the gateway's URL, or the URL that READY gave for resuming. */
export type Host = "main" | "resume"

/** How often a fault is met. */
export interface Times {
  /** After so many times it is over. Without it the fault stands until it is lifted. */
  readonly times?: number
}

/** Which dials a fault concerns. */
export interface DialOptions extends Times {
  /** Only connections to this host. */
  readonly host?: Host
}

/** Which payloads a fault concerns, and whether the right answer is given nevertheless. */
export interface AnswerOptions extends DialOptions {
  /** Only this shard, where it is known: a HELLO goes to a connection of no shard yet. */
  readonly shard?: number
  /** `"instead"` of the right answer (the default), or `"before"` or `"after"` it. */
  readonly when?: "instead" | "before" | "after"
}

/** What a dial meets: no TCP connection, no answer ever, or an HTTP status in place of the upgrade. */
export type DialAnswer = "refuse" | "ignore" | { readonly status: number }

/** What a REST request meets. `malformed` is status 200 with a body that is no JSON, `unreachable` a network error. */
export type HttpFault =
  | "malformed"
  | "unreachable"
  | "ignore"
  | { readonly status: number; readonly retryAfter?: Duration.Input }

/** What a payload meets: an act, no answer, or the right answer later. */
export type Answer = Act | { readonly _tag: "Nothing" } | { readonly _tag: "Late"; readonly by: Duration.Duration }

/** Something that goes wrong at one point of the protocol. */
export type Fault =
  | ({ readonly at: "http"; readonly answer: HttpFault } & Times)
  | ({ readonly at: "dial"; readonly answer: DialAnswer } & DialOptions)
  | ({ readonly at: "hello" | "heartbeat" | "identify" | "resume"; readonly answer: Answer } & AnswerOptions)

/** A point of the protocol at which something can go wrong. */
export type FaultPoint = Fault["at"]

/** The fault of one point. */
export type FaultAt<At extends FaultPoint> = Extract<Fault, { readonly at: At }>

/** What becomes of REST requests. */
const http = (answer: HttpFault, options: Times = {}): Fault => ({ at: "http", answer, ...options })

/** What becomes of attempts to open a WebSocket connection. */
const dial = (answer: DialAnswer, options: DialOptions = {}): Fault => ({ at: "dial", answer, ...options })

/** What a new connection gets for a HELLO. */
const hello = (answer: Answer, options: AnswerOptions = {}): Fault => ({ at: "hello", answer, ...options })

/** What a heartbeat gets for an ACK. */
const heartbeat = (answer: Answer, options: AnswerOptions = {}): Fault => ({ at: "heartbeat", answer, ...options })

/** What an IDENTIFY gets for READY. It counts against the limits all the same. */
const identify = (answer: Answer, options: AnswerOptions = {}): Fault => ({ at: "identify", answer, ...options })

/** What a RESUME gets for the replay and RESUMED. */
const resume = (answer: Answer, options: AnswerOptions = {}): Fault => ({ at: "resume", answer, ...options })

/** No answer at all; the rest of the connection works. */
const nothing: Answer = { _tag: "Nothing" }

/** The right answer, but later. `when` does not matter then. */
const late = (by: Duration.Input): Answer => ({ _tag: "Late", by: Duration.fromInputUnsafe(by) })

/** The faults by the point at which they happen: `Fault.dial("refuse", { times: 3 })`. */
export const Fault = { http, dial, hello, heartbeat, identify, resume, nothing, late } as const
