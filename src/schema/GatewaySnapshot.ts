/**
 * How a gateway is doing at one moment, and how it has been doing for a while: what a dashboard and a terminal show.
 *
 * It holds no payloads, no token and no session's id.
 */
import type * as Duration from "effect/Duration"
import type * as LogLevel from "effect/LogLevel"
import type * as Option from "effect/Option"
import type { ShardState } from "./ShardStatus.ts"

/** A shard at the moment. */
export interface ShardSnapshot {
  readonly id: number
  readonly state: ShardState
  /** When it came into this state, in milliseconds since the epoch. */
  readonly since: number
  /** From the last heartbeat to its acknowledgement, in milliseconds. */
  readonly latency: number | undefined
  /** Dispatches a second that Discord sent to it. */
  readonly rate: number
  readonly reconnects: number
  readonly waitingToSend: number
  /** Why its last connection ended. */
  readonly lastReason: string | undefined
}

/** What is plotted over time. */
export interface GatewayMoment {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** Dispatches a second, of all shards. */
  readonly rate: number
  /** The median over the shards, in milliseconds. */
  readonly latency: number | undefined
  /** How many shards were ready. */
  readonly ready: number
}

/** Something that happened to a shard. */
export interface ConnectionChange {
  /** Counts the changes, from 1. */
  readonly number: number
  readonly at: number
  readonly shard: number
  readonly level: LogLevel.Severity
  readonly text: string
}

/** What is left of the day's IDENTIFYs. */
export interface BudgetSnapshot {
  readonly total: number
  readonly remaining: number
  /** When there are new ones, in milliseconds since the epoch. */
  readonly resetAt: number
}

/** The shards that wait for their turn to IDENTIFY, and how long the last of them still does, at least. */
export interface IdentifyQueue {
  readonly waiting: number
  readonly time: Duration.Duration
}

/** A gateway at one moment. */
export interface GatewaySnapshot extends GatewayMoment {
  /** Since when it is watched, in milliseconds since the epoch. */
  readonly since: number
  /** By number. */
  readonly shards: ReadonlyArray<ShardSnapshot>
  /** The last five minutes, a moment a second, oldest first, this one included. */
  readonly history: ReadonlyArray<GatewayMoment>
  /** The last 200 changes that a person would want to know of, oldest first. */
  readonly changes: ReadonlyArray<ConnectionChange>
  /** None where Discord has not been asked. */
  readonly budget: Option.Option<BudgetSnapshot>
  readonly queue: IdentifyQueue
}
