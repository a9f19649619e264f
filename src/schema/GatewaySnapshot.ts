/**
 * How a gateway is doing at one moment, and how it has been doing for a while: what a dashboard and a terminal show.
 *
 * It holds no payloads, no token and no session's id. As JSON, times are ISO 8601 and durations are in milliseconds; what
 * is not known is left out.
 */
import * as Schema from "effect/Schema"
import { ShardStatus } from "./ShardStatus.ts"

/** A shard at the moment. */
export const ShardSnapshot = Schema.Struct({
  /** The shard's number. */
  id: Schema.Int,
  state: ShardStatus.fields.state,
  since: ShardStatus.fields.since,
  latency: ShardStatus.fields.latency,
  /** Dispatches a second that Discord sent to it. */
  rate: Schema.Finite,
  reconnects: ShardStatus.fields.reconnects,
  waitingToSend: ShardStatus.fields.waitingToSend,
  /** Why its last connection ended, in a sentence. */
  lastReason: Schema.OptionFromOptionalKey(Schema.String)
})

/** A shard at the moment. */
export interface ShardSnapshot extends Schema.Schema.Type<typeof ShardSnapshot> {}

/** What is plotted over time. */
export const GatewayMoment = Schema.Struct({
  at: Schema.DateTimeUtcFromString,
  /** Dispatches a second, of all shards. */
  rate: Schema.Finite,
  /** The median over the shards. */
  latency: Schema.OptionFromOptionalKey(Schema.DurationFromMillis),
  /** How many shards were ready. */
  ready: Schema.Int
})

/** What is plotted over time. */
export interface GatewayMoment extends Schema.Schema.Type<typeof GatewayMoment> {}

/** Something that happened to a shard. */
export const ConnectionChange = Schema.Struct({
  /** Counts the changes, from 1. */
  number: Schema.Int,
  at: Schema.DateTimeUtcFromString,
  shard: Schema.Int,
  level: Schema.Literals(["Fatal", "Error", "Warn", "Info", "Debug", "Trace"]),
  text: Schema.String
})

/** Something that happened to a shard. */
export interface ConnectionChange extends Schema.Schema.Type<typeof ConnectionChange> {}

/** What is left of the day's IDENTIFYs. */
export const BudgetSnapshot = Schema.Struct({
  total: Schema.Int,
  remaining: Schema.Int,
  /** When there are new ones. */
  resetAt: Schema.DateTimeUtcFromString
})

/** What is left of the day's IDENTIFYs. */
export interface BudgetSnapshot extends Schema.Schema.Type<typeof BudgetSnapshot> {}

/** The shards that wait for their turn to IDENTIFY. */
export const IdentifyBacklog = Schema.Struct({
  /** How many shards wait. */
  waiting: Schema.Int,
  /** How long the last of them still does, at least. */
  time: Schema.DurationFromMillis
})

/** The shards that wait for their turn to IDENTIFY. */
export interface IdentifyBacklog extends Schema.Schema.Type<typeof IdentifyBacklog> {}

/** A gateway at one moment. */
export const GatewaySnapshot = Schema.Struct({
  ...GatewayMoment.fields,
  /** Since when it is watched. */
  since: Schema.DateTimeUtcFromString,
  /** By number. */
  shards: Schema.Array(ShardSnapshot),
  /** The last five minutes, a moment a second, oldest first, this one included. */
  history: Schema.Array(GatewayMoment),
  /** The last 200 changes that a person would want to know of, oldest first. */
  changes: Schema.Array(ConnectionChange),
  /** None where Discord has not been asked. */
  budget: Schema.OptionFromOptionalKey(BudgetSnapshot),
  queue: IdentifyBacklog
})

/** A gateway at one moment. */
export interface GatewaySnapshot extends Schema.Schema.Type<typeof GatewaySnapshot> {}
