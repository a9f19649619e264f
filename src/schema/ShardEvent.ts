/**
 * Changes of the shards' connections, as data and as sentences: the feed of `Gateway.changes`, of the log and of the
 * terminal.
 *
 * No event has a payload's content or the token.
 */
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import type * as LogLevel from "effect/LogLevel"
import * as Schema from "effect/Schema"
import { durationText } from "./DurationText.ts"
import { describeBudget } from "./FatalError.ts"
import { GatewayErrorReason } from "./GatewayError.ts"
import { describeHolder, SessionHolder } from "./SessionHolder.ts"

const common = {
  /** Number of the shard. */
  shard: Schema.Int,
  at: Schema.DateTimeUtcFromString
}

const schema = Schema.TaggedUnion({
  /** A WebSocket is being opened. */
  Connecting: { ...common, host: Schema.String, resuming: Schema.Boolean },
  /** HELLO was received. */
  Greeted: { ...common, heartbeatInterval: Schema.DurationFromMillis },
  /** The shard waits for its turn to IDENTIFY. */
  IdentifyQueued: { ...common, wait: Schema.DurationFromMillis },
  /** The bot was started again and again without a good end, and each start cost an IDENTIFY: the shard waits. */
  CrashLoopSlowed: {
    ...common,
    /** Number of starts in a row. */
    starts: Schema.Int,
    wait: Schema.DurationFromMillis
  },
  /** The day's IDENTIFYs are used up; the shard waits for the next budget. */
  IdentifyBudgetExhausted: {
    ...common,
    total: Schema.Int,
    remaining: Schema.Int,
    resetAt: Schema.DateTimeUtcFromString
  },
  /** IDENTIFY was sent. */
  Identifying: common,
  /** RESUME was sent. */
  Resuming: { ...common, sessionId: Schema.String, sequence: Schema.Int },
  /** A new session is established. */
  Ready: { ...common, sessionId: Schema.String },
  /** The session was resumed, and the missed payloads replayed. */
  Resumed: { ...common, sessionId: Schema.String, replayed: Schema.Int },
  /** The connection ended or could not be made. */
  Disconnected: { ...common, reason: GatewayErrorReason },
  /** The session is given up: the next connection identifies. */
  SessionDropped: { ...common, sessionId: Schema.String, why: Schema.String },
  /** The shard waits for this time before it connects. */
  Waiting: { ...common, delay: Schema.DurationFromMillis },
  /** Sequences `from` to `to` were not received. */
  GapDetected: { ...common, from: Schema.Int, to: Schema.Int },
  /** A malformed payload was left out, as every replay repeats it. */
  MalformedSkipped: { ...common, description: Schema.String },
  /** A payload has an undocumented opcode. The program got it. */
  UnknownOpcode: { ...common, op: Schema.Int },
  /** A payload that was received before was dropped. */
  DuplicateDropped: { ...common, sequence: Schema.Int },
  /** READY's `resume_gateway_url` is of another domain than the main URL, which is used instead. */
  ResumeUrlRefused: { ...common, host: Schema.String },
  /** The buffer is full: reading from the socket is paused. */
  ConsumerBehind: { ...common, buffered: Schema.Int, subscribers: Schema.Int },
  /** The subscribers have caught up: reading from the socket is resumed. */
  ConsumerCaughtUp: { ...common, after: Schema.DurationFromMillis },
  /** A payload was handed out long ago, and nobody has acknowledged it: the oldest one of the shard. */
  AcknowledgementOverdue: {
    ...common,
    /** Its sequence; null for a payload without one. */
    sequence: Schema.NullOr(Schema.Int),
    /** The name of the dispatch; null for another payload. */
    event: Schema.NullOr(Schema.String),
    /** Time since it was handed out. */
    after: Schema.DurationFromMillis
  },
  /** A subscriber failed and no other one took over its payloads in time: they count as handled. */
  DeliveriesAbandoned: { ...common, payloads: Schema.Int },
  /** The session's store does not answer, or not well: it is tried again. */
  StoreFailed: { ...common, what: Schema.Literals(["read", "written", "removed"]), description: Schema.String },
  /** The session's store answers again. */
  StoreRecovered: common,
  /** Another instance holds the sessions: this one waits until it lets go. Said with the shard 0. */
  OwnerAwaited: { ...common, by: Schema.UndefinedOr(SessionHolder) },
  /** This instance holds the sessions from now on. Said with the shard 0. */
  Owned: { ...common, waited: Schema.DurationFromMillis },
  /** The bot grows: it is resharded by itself. Said with the shard 0. */
  Growing: {
    ...common,
    from: Schema.Int,
    to: Schema.Int,
    /** Number of shards that Discord recommends. */
    recommended: Schema.Int,
    /** Guilds of the shard that has most. */
    guilds: Schema.Int,
    /** Discord recommends it, a shard is nearly full, or Discord refuses a shard (close 4011 or 4010). */
    why: Schema.Literals(["recommended", "full", "refused"])
  },
  /** The bot should grow and waits. Said with the shard 0. */
  GrowthDeferred: {
    ...common,
    from: Schema.Int,
    /** Absent where Discord did not answer. */
    to: Schema.optionalKey(Schema.Int),
    /** Too little of the day's budget is left, the last reshard is too recent, Discord did not answer, or a reshard failed. */
    why: Schema.Literals(["budget", "too-soon", "unanswered", "failed"]),
    wait: Schema.DurationFromMillis,
    description: Schema.String
  },
  /** The bot now runs with another number of shards; this is said once, with the shard 0. */
  Resharded: { ...common, from: Schema.Int, to: Schema.Int },
  /** The shard has ended for good. It has no reason if the program ended it. */
  Stopped: { ...common, reason: Schema.optional(GatewayErrorReason) }
})

/**
 * A change of a shard's connection.
 *
 * @category models
 * @since 0.1.0
 */
export type ShardEvent = typeof schema.Type

/** Unchecked constructors: an event with a peer's odd value is better than none. */
const make = Data.taggedEnum<ShardEvent>()

/**
 * Schema of the events, with a constructor for each kind and the helpers of `Schema.TaggedUnion`: `match` over all
 * kinds,
 * `isAnyOf` for some of them, `guards` for unknown values, `cases` for their schemas. As JSON, times are ISO 8601 and
 * durations are in milliseconds.
 *
 * ```ts
 * ShardEvent.Ready({ shard: 0, at: yield* DateTime.now, sessionId })
 * gateway.changes.pipe(Stream.filter(ShardEvent.isAnyOf(["Ready", "Resumed"])))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const ShardEvent = Object.assign(schema, {
  Connecting: make.Connecting,
  Greeted: make.Greeted,
  IdentifyQueued: make.IdentifyQueued,
  CrashLoopSlowed: make.CrashLoopSlowed,
  IdentifyBudgetExhausted: make.IdentifyBudgetExhausted,
  Identifying: make.Identifying,
  Resuming: make.Resuming,
  Ready: make.Ready,
  Resumed: make.Resumed,
  Disconnected: make.Disconnected,
  SessionDropped: make.SessionDropped,
  Waiting: make.Waiting,
  GapDetected: make.GapDetected,
  MalformedSkipped: make.MalformedSkipped,
  UnknownOpcode: make.UnknownOpcode,
  DuplicateDropped: make.DuplicateDropped,
  ResumeUrlRefused: make.ResumeUrlRefused,
  ConsumerBehind: make.ConsumerBehind,
  ConsumerCaughtUp: make.ConsumerCaughtUp,
  AcknowledgementOverdue: make.AcknowledgementOverdue,
  DeliveriesAbandoned: make.DeliveriesAbandoned,
  StoreFailed: make.StoreFailed,
  StoreRecovered: make.StoreRecovered,
  OwnerAwaited: make.OwnerAwaited,
  Owned: make.Owned,
  Growing: make.Growing,
  GrowthDeferred: make.GrowthDeferred,
  Resharded: make.Resharded,
  Stopped: make.Stopped
})

/**
 * Sentence for people about an event.
 *
 * @category formatting
 * @since 0.1.0
 */
export const describeShardEvent: (event: ShardEvent) => string = ShardEvent.match({
  Connecting: ({ host, resuming }) => `Connecting to ${host}${resuming ? " to resume" : ""}`,
  Greeted: ({ heartbeatInterval }) => `Connected, a heartbeat every ${durationText(heartbeatInterval)}`,
  IdentifyQueued: ({ wait }) => `Waiting ${durationText(wait)} for the turn to IDENTIFY`,
  CrashLoopSlowed: ({ starts, wait }) =>
    `The bot was started ${starts} times in a row without a good end, and each start cost an IDENTIFY: waiting ` +
    `${durationText(wait)} before the next one. With a store of sessions it would resume at no cost`,
  IdentifyBudgetExhausted: ({ remaining, resetAt, total }) =>
    `${describeBudget({ remaining, total })} Waiting until ${DateTime.formatIso(resetAt)}`,
  Identifying: () => "Identifying",
  Resuming: ({ sequence, sessionId }) => `Resuming session ${sessionId} after sequence ${sequence}`,
  Ready: ({ sessionId }) => `Ready with the new session ${sessionId}`,
  Resumed: ({ replayed, sessionId }) => `Resumed session ${sessionId}, ${replayed} missed payloads replayed`,
  Disconnected: ({ reason }) => `Disconnected: ${reason.message}`,
  SessionDropped: ({ sessionId, why }) => `Session ${sessionId} is given up: ${why}`,
  Waiting: ({ delay }) => `Next connection in ${durationText(delay)}`,
  GapDetected: ({ from, to }) => `Sequences ${from} to ${to} are missing`,
  MalformedSkipped: ({ description }) => `Left out a malformed payload that comes with every replay: ${description}`,
  UnknownOpcode: ({ op }) => `A payload with the unknown opcode ${op}`,
  DuplicateDropped: ({ sequence }) => `Sequence ${sequence} came again and was left out`,
  ResumeUrlRefused: ({ host }) => `Not resuming at ${host}: it is not of the domain that we first connected to`,
  ConsumerBehind: ({ buffered, subscribers }) =>
    subscribers === 0
      ? `${buffered} payloads are waiting and nothing subscribes to Gateway.payloads: reading pauses`
      : `${buffered} payloads are waiting for the slowest of ${subscribers} subscribers: reading pauses`,
  ConsumerCaughtUp: ({ after }) => `Reading again after ${durationText(after)}`,
  AcknowledgementOverdue: ({ after, event, sequence }) =>
    `${event ?? "A payload"}${sequence === null ? "" : ` (sequence ${sequence})`} was handed out ` +
    `${durationText(after)} ago and is not acknowledged: after a crash everything from there on comes again`,
  DeliveriesAbandoned: ({ payloads }) =>
    `${payloads} payloads of a subscriber that failed are given up: no other one took them over`,
  StoreFailed: ({ description, what }) => `The session cannot be ${what}: ${description}`,
  StoreRecovered: () => "The store of sessions answers again",
  OwnerAwaited: ({ by }) => `Waiting for the sessions, which ${describeHolder(by)} holds`,
  Owned: ({ waited }) => `This instance holds the sessions, after ${durationText(waited)}`,
  Growing: ({ from, guilds, recommended, to, why }) =>
    `Growing from ${from} to ${to} shards: ` +
    (why === "refused"
      ? `Discord refuses ${from} and recommends ${recommended}`
      : `Discord recommends ${recommended}` + (why === "full" ? `, and a shard has ${guilds} guilds` : "")),
  GrowthDeferred: ({ description, from, to, wait }) =>
    `Growing from ${from}${to === undefined ? "" : ` to ${to}`} shards waits for ${durationText(wait)}: ${description}`,
  Resharded: ({ from, to }) => `Resharded from ${from} to ${to} shards`,
  Stopped: ({ reason }) => (reason === undefined ? "Stopped" : `Stopped for good: ${reason.message}`)
})

const levels: Record<ShardEvent["_tag"], LogLevel.Severity> = {
  Connecting: "Debug",
  Greeted: "Debug",
  IdentifyQueued: "Info",
  CrashLoopSlowed: "Warn",
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
  AcknowledgementOverdue: "Warn",
  DeliveriesAbandoned: "Error",
  StoreFailed: "Warn",
  StoreRecovered: "Info",
  OwnerAwaited: "Warn",
  Owned: "Info",
  Growing: "Info",
  GrowthDeferred: "Warn",
  Resharded: "Info",
  Stopped: "Info"
}

/**
 * Log level of an event.
 *
 * @category getters
 * @since 0.1.0
 */
export const levelOfShardEvent = (event: ShardEvent): LogLevel.Severity =>
  event._tag === "Stopped" && event.reason !== undefined ? "Error" : levels[event._tag]
