/**
 * What happens to the connections, as data and as sentences: the feed of `Gateway.changes`, of the log and of the
 * terminal.
 *
 * None of them carries a payload's content or the token.
 */
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import type * as LogLevel from "effect/LogLevel"
import { describeBudget } from "./FatalError.ts"
import { type GatewayErrorReason } from "./GatewayError.ts"

interface Common {
  /** The shard's number. */
  readonly shard: number
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** Something happened to the connection of a shard. */
export type ShardEvent = Data.TaggedEnum<{
  /** A WebSocket is being opened. */
  Connecting: Common & { readonly host: string; readonly resuming: boolean }
  /** HELLO came. */
  Greeted: Common & { readonly heartbeatInterval: Duration.Duration }
  /** The shard waits for its turn to IDENTIFY. */
  IdentifyQueued: Common & { readonly wait: Duration.Duration }
  /** The day's IDENTIFYs are used up; the shard waits for new ones. */
  IdentifyBudgetExhausted: Common & {
    readonly total: number
    readonly remaining: number
    readonly resetAt: number
  }
  /** IDENTIFY was sent. */
  Identifying: Common
  /** RESUME was sent. */
  Resuming: Common & { readonly sessionId: string; readonly sequence: number }
  /** A new session is established. */
  Ready: Common & { readonly sessionId: string }
  /** The session goes on, with all that was missed. */
  Resumed: Common & { readonly sessionId: string; readonly replayed: number }
  /** The connection ended, or could not be made. */
  Disconnected: Common & { readonly reason: GatewayErrorReason }
  /** The session is given up: the next connection identifies. */
  SessionDropped: Common & { readonly sessionId: string; readonly why: string }
  /** The next connection is made after this wait. */
  Waiting: Common & { readonly delay: Duration.Duration }
  /** Sequences `from` to `to` never came. */
  GapDetected: Common & { readonly from: number; readonly to: number }
  /** A frame that is not a payload was left out, since it came again with every replay. */
  MalformedSkipped: Common & { readonly description: string }
  /** A payload has an opcode that is not documented. It was handed on. */
  UnknownOpcode: Common & { readonly op: number }
  /** A payload that had come before was left out. */
  DuplicateDropped: Common & { readonly sequence: number }
  /** READY's `resume_gateway_url` is not of the domain that we connected to: the main URL is used. */
  ResumeUrlRefused: Common & { readonly host: string }
  /** The buffer is full: nothing is read from the socket until a subscriber asks for more. */
  ConsumerBehind: Common & { readonly buffered: number; readonly subscribers: number }
  /** The subscribers have caught up; the socket is read again. */
  ConsumerCaughtUp: Common & { readonly after: Duration.Duration }
  /** The bot now runs with another number of shards; this is said once, with the shard 0. */
  Resharded: Common & { readonly from: number; readonly to: number }
  /** The shard has ended for good. */
  Stopped: Common & { readonly reason: GatewayErrorReason | undefined }
}>

/** Constructors and a matcher: `ShardEvent.$is("Ready")`, `ShardEvent.$match({ … })`. */
export const ShardEvent = Data.taggedEnum<ShardEvent>()

/** An event in a sentence for people. */
export const describeShardEvent: (event: ShardEvent) => string = ShardEvent.$match({
  Connecting: ({ host, resuming }) => `Connecting to ${host}${resuming ? " to resume" : ""}`,
  Greeted: ({ heartbeatInterval }) => `Connected, a heartbeat every ${Duration.format(heartbeatInterval)}`,
  IdentifyQueued: ({ wait }) => `Waiting ${Duration.format(wait)} for the turn to IDENTIFY`,
  IdentifyBudgetExhausted: ({ remaining, resetAt, total }) =>
    `${describeBudget({ remaining, total })} Waiting until ${DateTime.formatIso(DateTime.makeUnsafe(resetAt))}`,
  Identifying: () => "Identifying",
  Resuming: ({ sequence, sessionId }) => `Resuming session ${sessionId} after sequence ${sequence}`,
  Ready: ({ sessionId }) => `Ready with the new session ${sessionId}`,
  Resumed: ({ replayed, sessionId }) => `Resumed session ${sessionId}, ${replayed} missed payloads replayed`,
  Disconnected: ({ reason }) => `Disconnected: ${reason.message}`,
  SessionDropped: ({ sessionId, why }) => `Session ${sessionId} is given up: ${why}`,
  Waiting: ({ delay }) => `Next connection in ${Duration.format(delay)}`,
  GapDetected: ({ from, to }) => `Sequences ${from} to ${to} are missing`,
  MalformedSkipped: ({ description }) => `Left out a malformed payload that comes with every replay: ${description}`,
  UnknownOpcode: ({ op }) => `A payload with the unknown opcode ${op}`,
  DuplicateDropped: ({ sequence }) => `Sequence ${sequence} came again and was left out`,
  ResumeUrlRefused: ({ host }) => `Not resuming at ${host}: it is not of the domain that we first connected to`,
  ConsumerBehind: ({ buffered, subscribers }) =>
    subscribers === 0
      ? `${buffered} payloads are waiting and nothing subscribes to Gateway.payloads: reading pauses`
      : `${buffered} payloads are waiting for the slowest of ${subscribers} subscribers: reading pauses`,
  ConsumerCaughtUp: ({ after }) => `Reading again after ${Duration.format(after)}`,
  Resharded: ({ from, to }) => `Resharded from ${from} to ${to} shards`,
  Stopped: ({ reason }) => (reason === undefined ? "Stopped" : `Stopped for good: ${reason.message}`)
})

const levels: Record<ShardEvent["_tag"], LogLevel.Severity> = {
  Connecting: "Debug",
  Greeted: "Debug",
  IdentifyQueued: "Info",
  IdentifyBudgetExhausted: "Error",
  Identifying: "Debug",
  Resuming: "Debug",
  Ready: "Info",
  Resumed: "Info",
  Disconnected: "Warn",
  SessionDropped: "Warn",
  Waiting: "Info",
  GapDetected: "Warn",
  MalformedSkipped: "Error",
  UnknownOpcode: "Warn",
  DuplicateDropped: "Debug",
  ResumeUrlRefused: "Warn",
  ConsumerBehind: "Warn",
  ConsumerCaughtUp: "Info",
  Resharded: "Info",
  Stopped: "Info"
}

/** How loud an event is in the log. */
export const levelOfShardEvent = (event: ShardEvent): LogLevel.Severity =>
  event._tag === "Stopped" && event.reason !== undefined ? "Error" : levels[event._tag]
