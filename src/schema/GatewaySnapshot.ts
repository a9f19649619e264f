/**
 * Snapshot of a gateway with its recent history, for dashboards and terminals.
 *
 * It has no payloads, no token and no session id. As JSON, times are ISO 8601, durations are in milliseconds, and
 * unknown values are left out.
 */
import * as Schema from "effect/Schema"
import { IdentifyBudget } from "./IdentifyBudget.ts"
import { ShardStatus } from "./ShardStatus.ts"

/**
 * Schema of a shard's snapshot.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ShardSnapshot = Schema.Struct({
  /** The shard's number. */
  id: Schema.Int,
  state: ShardStatus.fields.state,
  since: ShardStatus.fields.since,
  latency: ShardStatus.fields.latency,
  /** Dispatches per second from Discord. */
  rate: Schema.Finite,
  reconnects: ShardStatus.fields.reconnects,
  waitingToSend: ShardStatus.fields.waitingToSend,
  /** Reason for the last connection's end, in a sentence. */
  lastReason: Schema.OptionFromOptionalKey(Schema.String)
})

/**
 * A shard's snapshot.
 *
 * @category models
 * @since 0.1.0
 */
export interface ShardSnapshot extends Schema.Schema.Type<typeof ShardSnapshot> {}

/**
 * Schema of a point on the plots.
 *
 * @category schemas
 * @since 0.1.0
 */
export const GatewayMoment = Schema.Struct({
  at: Schema.DateTimeUtcFromString,
  /** Dispatches per second, of all shards. */
  rate: Schema.Finite,
  /** Median over the shards. */
  latency: Schema.OptionFromOptionalKey(Schema.DurationFromMillis),
  /** Number of ready shards. */
  ready: Schema.Int
})

/**
 * A point on the plots over time.
 *
 * @category models
 * @since 0.1.0
 */
export interface GatewayMoment extends Schema.Schema.Type<typeof GatewayMoment> {}

/**
 * Schema of a shard's change.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ConnectionChange = Schema.Struct({
  /** Number of the change, from 1. */
  number: Schema.Int,
  at: Schema.DateTimeUtcFromString,
  shard: Schema.Int,
  level: Schema.Literals(["Fatal", "Error", "Warn", "Info", "Debug", "Trace"]),
  text: Schema.String
})

/**
 * A change of a shard's connection, as text.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectionChange extends Schema.Schema.Type<typeof ConnectionChange> {}

/**
 * Schema of the identify queue's length.
 *
 * @category schemas
 * @since 0.1.0
 */
export const IdentifyBacklog = Schema.Struct({
  /** Number of waiting shards. */
  waiting: Schema.Int,
  /** Shortest remaining wait of the last shard. */
  time: Schema.DurationFromMillis
})

/**
 * Length of the identify queue.
 *
 * @category models
 * @since 0.1.0
 */
export interface IdentifyBacklog extends Schema.Schema.Type<typeof IdentifyBacklog> {}

/**
 * Schema of a relay's snapshot.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RelaySnapshot = Schema.Struct({
  /** Name of the broker. */
  name: Schema.String,
  /** Dispatches that it has written to the broker. */
  published: Schema.Int,
  /** Why it writes nothing at the moment, in a sentence; none while it writes. */
  held: Schema.OptionFromOptionalKey(Schema.String),
  /** State of the broker; none where it did not answer the last time. */
  broker: Schema.OptionFromOptionalKey(
    Schema.Struct({
      /** Dispatches that are not acknowledged. */
      depth: Schema.Int,
      /** Age of the oldest of them, 0 for none. */
      age: Schema.DurationFromMillis,
      deadLetters: Schema.Int,
      /** Consumers that are heard of. */
      consumers: Schema.Int
    })
  )
})

/**
 * A relay's snapshot.
 *
 * @category models
 * @since 0.1.0
 */
export interface RelaySnapshot extends Schema.Schema.Type<typeof RelaySnapshot> {}

/**
 * Schema of a gateway's snapshot.
 *
 * @category schemas
 * @since 0.1.0
 */
export const GatewaySnapshot = Schema.Struct({
  ...GatewayMoment.fields,
  /** Start of the observation. */
  since: Schema.DateTimeUtcFromString,
  /** Shards by number. */
  shards: Schema.Array(ShardSnapshot),
  /** The last five minutes, one moment per second, oldest first, this one included. */
  history: Schema.Array(GatewayMoment),
  /** The last 200 changes of interest to people, oldest first. */
  changes: Schema.Array(ConnectionChange),
  /** None before Discord's first answer. */
  budget: Schema.OptionFromOptionalKey(IdentifyBudget),
  queue: IdentifyBacklog,
  /** The relay that passes the gateway on; none for a bot without one. */
  relay: Schema.OptionFromOptionalKey(RelaySnapshot)
})

/**
 * A gateway's snapshot.
 *
 * @category models
 * @since 0.1.0
 */
export interface GatewaySnapshot extends Schema.Schema.Type<typeof GatewaySnapshot> {}
