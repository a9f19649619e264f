/**
 * The broker between a relay and the consumers: an existing engine behind the few steps that both take.
 *
 * Partitions keep the bot's dispatches: logs in order, out of which an entry is taken when it is acknowledged. One consumer at a time has the lease of a partition. Reading changes nothing: what a dead consumer held is still there,
 * in order, for the next one.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import type { EntryKey, RelayEntry, RelayRecord } from "./RelayRecord.ts"

/**
 * The broker did not do it, or did not answer. Relays and consumers try again by themselves.
 *
 * @since 0.1.0
 * @category errors
 */
export class RelayBrokerError extends Schema.TaggedError<RelayBrokerError>("disruption-gateway/RelayBrokerError")(
  "RelayBrokerError",
  { description: Schema.String }
) {
  override get message() {
    return `The relay's broker: ${this.description}`
  }
}

/**
 * Answer to a batch: so many entries are new, and so many the broker had already. Or nothing was written, since it holds as many
 * unacknowledged entries as it may.
 *
 * @since 0.1.0
 * @category models
 */
export type Published =
  | { readonly _tag: "Written"; readonly added: number; readonly repeated: number }
  | { readonly _tag: "Full"; readonly depth: number }

/**
 * A partition that a consumer has the lease of.
 *
 * @since 0.1.0
 * @category models
 */
export interface LeasedPartition {
  readonly partition: number
  /** Fencing token: raised with each new holder. */
  readonly epoch: number
  /** Count of holders in a row that were lost before one of their entries was acknowledged. */
  readonly losses: number
  /** Position of the last entry at the moment of the lease: those up to there may have been handed out before. */
  readonly last: string | undefined
}

/**
 * Answer to a renewal: what the consumer holds, and how many more than its share.
 *
 * @since 0.1.0
 * @category models
 */
export interface Leases {
  readonly held: ReadonlyArray<LeasedPartition>
  readonly surplus: number
}

/**
 * An entry that was set aside.
 *
 * @since 0.1.0
 * @category models
 */
export interface RelayDeadLetter {
  readonly id: string
  readonly name: string
  readonly text: string
  /** Why, in words. */
  readonly cause: string
  readonly attempts: number
}

/**
 * Contents of a broker, in numbers.
 *
 * @since 0.1.0
 * @category models
 */
export interface BrokerStatus {
  /** Count of entries that are not acknowledged. */
  readonly depth: number
  /** Milliseconds since the oldest of them was written; 0 for none. */
  readonly age: number
  readonly deadLetters: number
  readonly consumers: number
}

/**
 * A message of a channel.
 *
 * @since 0.1.0
 * @category models
 */
export interface ChannelMessage {
  readonly position: string
  readonly text: string
}

/**
 * Entries of a partition, in order.
 *
 * @since 0.1.0
 * @category models
 */
export interface PartitionEntries {
  readonly partition: number
  readonly entries: ReadonlyArray<RelayEntry>
}

/**
 * Options of a broker.
 *
 * @since 0.1.0
 * @category models
 */
export interface BrokerOptions {
  /** Name of the bot: relay and consumers of one bot have the same, other bots others. */
  readonly name: string
  /** Number of partitions, the same for the whole life of the name: the broker keeps the first. Default: 64. */
  readonly partitions?: number | undefined
  /** Limit to the entries that are not acknowledged, over all partitions. At it the relay waits. Default: 1,000,000. */
  readonly capacity?: number | undefined
}

/** The wait between tries while a broker does not answer. */
export const unansweredWait = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")])

/** Defaults of the options. */
export const defaults = { partitions: 64, capacity: 1_000_000 }

/**
 * The broker.
 *
 * @since 0.1.0
 * @category services
 */
export class RelayBroker extends Context.Service<
  RelayBroker,
  {
    readonly name: string
    readonly partitions: number
    /**
     * Appends records in their order. A record whose sequence is not above the last one of its session and shard is there already, and
     * is left out. So those that a failure has left, the first ones or all, are left out when they are published again.
     */
    readonly publish: (records: ReadonlyArray<RelayRecord>) => Effect.Effect<Published, RelayBrokerError>
    /**
     * Entries after these positions, `limit` at most of each partition. Waits for the first for `wait` at most. A broker that is no longer
     * sure of the positions, after a restart, say, begins again at the first entry that is not acknowledged.
     */
    readonly read: (
      after: ReadonlyMap<number, string | undefined>,
      options: { readonly limit: number; readonly wait: Duration.Duration }
    ) => Effect.Effect<ReadonlyArray<PartitionEntries>, RelayBrokerError>
    /** Takes entries out of their partitions: they are handled. One that is not there is none. */
    readonly acknowledge: (
      handled: ReadonlyMap<number, ReadonlyArray<EntryKey>>
    ) => Effect.Effect<void, RelayBrokerError>
    /** Joins the consumers or stays one of them, renews the leases that it has, and takes free ones up to its share. */
    readonly lease: (consumer: string, time: Duration.Duration) => Effect.Effect<Leases, RelayBrokerError>
    /** Gives leases back, with nothing of theirs in hand. */
    readonly release: (
      consumer: string,
      partitions: ReadonlyArray<Pick<LeasedPartition, "epoch" | "partition">>
    ) => Effect.Effect<void, RelayBrokerError>
    /** Is none of the consumers any more. */
    readonly leave: (consumer: string) => Effect.Effect<void, RelayBrokerError>
    /** Keeps a dead letter. */
    readonly setAside: (letter: RelayDeadLetter) => Effect.Effect<void, RelayBrokerError>
    /** The last dead letters, at most so many, oldest first. */
    readonly deadLetters: (limit: number) => Effect.Effect<ReadonlyArray<RelayDeadLetter>, RelayBrokerError>
    readonly status: Effect.Effect<BrokerStatus, RelayBrokerError>
    /** Adds a message to a channel, which keeps the last thousand for ten minutes. */
    readonly post: (channel: string, text: string) => Effect.Effect<void, RelayBrokerError>
    /** The messages of a channel, from now on, or with those that it keeps. Goes on where it was when the broker was away. */
    readonly follow: (
      channel: string,
      options: { readonly fromStart: boolean }
    ) => Stream.Stream<ChannelMessage, RelayBrokerError>
    /** Takes a message out of its channel. True for one of those who try. */
    readonly claim: (channel: string, position: string) => Effect.Effect<boolean, RelayBrokerError>
    /** Keeps a text under a name, in place of the one before. */
    readonly put: (name: string, text: string) => Effect.Effect<void, RelayBrokerError>
    /** The texts by their names. */
    readonly texts: Effect.Effect<ReadonlyMap<string, string>, RelayBrokerError>
    /** Removes a text. */
    readonly remove: (name: string) => Effect.Effect<void, RelayBrokerError>
  }
>()("disruption-gateway/relay/RelayBroker") {}
