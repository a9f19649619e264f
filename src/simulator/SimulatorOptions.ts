/**
 * Options of the simulator. Every option has a default that suits a bot that keeps Discord's rules.
 */
import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import { type IntentName, Intents } from "../schema/Intents.ts"

/**
 * Options of the simulated Discord.
 *
 * @since 0.1.0
 * @category models
 */
export interface SimulatorOptions {
  /** The bot's token. Default: `"simulated-token"`. */
  readonly token?: Redacted.Redacted | string
  /** HELLO's `heartbeat_interval`. Default: 41.25 seconds. */
  readonly heartbeatInterval?: Duration.Input
  /** Whether a connection without heartbeats for two intervals is closed with 4009. Default: `true`. */
  readonly heartbeatTimeout?: boolean
  /** The number of shards that GET /gateway/bot recommends. Default: one for each `guildsPerShard` guilds. */
  readonly shards?: number
  /** Guilds for which GET /gateway/bot recommends a shard. Default: 1000. */
  readonly guildsPerShard?: number
  /**
   * The number of which a large bot's shards are a multiple: an IDENTIFY with another number is answered by close code 4010.
   * Default: 1.
   */
  readonly shardsMultiple?: number
  /** Least number of shards: an IDENTIFY with fewer is answered by close code 4011. Default: 1. */
  readonly shardingRequired?: number
  /** The `max_concurrency`: number of IDENTIFYs in 5 seconds, one per bucket. Default: 1. */
  readonly maxConcurrency?: number
  /** Tolerance for an IDENTIFY before the 5 seconds are over. Default: none in memory, 100 milliseconds when served. */
  readonly identifyGrace?: Duration.Input
  /** Budget of IDENTIFYs. Default: 1000 in 24 hours, none of them used. */
  readonly sessionStartLimit?: {
    readonly total?: number
    readonly remaining?: number
    readonly resetAfter?: Duration.Input
  }
  /** Privileged intents that the bot lacks: an IDENTIFY with one is answered by close code 4014. Default: none. */
  readonly disallowedIntents?: ReadonlyArray<IntentName>
  /**
   * Number of guilds over all shards. Each is sent as GUILD_CREATE after READY. An IDENTIFY of a shard with more than 2500 is
   * answered by close code 4011. Default: 0.
   */
  readonly guilds?: number
  /** Time for RESUME after the loss of the connection. Default: 3 minutes. */
  readonly sessionTimeout?: Duration.Input
  /** Dispatches buffered for replay; a RESUME from before them is answered by op 9. Default: 50,000. */
  readonly replayBuffer?: number
  /**
   * Whether a session forgets what a heartbeat acknowledged: a RESUME from before that is answered by op 9, too. Default:
   * `false`.
   */
  readonly forgetsAcknowledged?: boolean
  /**
   * Whether RESUMED is numbered and kept for replay like any other dispatch, so that a replay may contain those of connections
   * before. Otherwise RESUMED is the end of the replay, as documented, and repeats the last sequence. Default: `false`.
   */
  readonly replaysResumed?: boolean
  /** Entries kept of every record. Default: all of them in memory, the last 1000 when served. */
  readonly history?: number
}

/**
 * Options of the in-memory layer.
 *
 * @since 0.1.0
 * @category models
 */
export interface MemoryOptions extends SimulatorOptions {
  /** One-way latency of frames and requests. Default: 10 milliseconds. */
  readonly latency?: Duration.Input
  /** Form of incoming text frames: strings, as in a browser, or `Uint8Array`. Default: `"text"`. */
  readonly frames?: "text" | "binary"
}

/**
 * Options of the served simulator.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServeOptions extends SimulatorOptions {
  /** Port to listen on. Default: 0, any free port. */
  readonly port?: number
  /** Host to listen on. Default: `"127.0.0.1"`. */
  readonly host?: string
}

/** Addresses of the simulated Discord. */
export interface Addresses {
  readonly apiUrl: string
  readonly gatewayUrl: string
  readonly resumeUrl: string
}

/** Options with defaults applied. Durations are milliseconds. */
export interface Settings extends Addresses {
  readonly token: Redacted.Redacted
  readonly heartbeatInterval: number
  readonly heartbeatTimeout: boolean
  readonly shards: number | undefined
  readonly guildsPerShard: number
  readonly shardsMultiple: number
  readonly shardingRequired: number
  readonly maxConcurrency: number
  readonly identifyGrace: number
  readonly identifiesTotal: number
  readonly identifiesRemaining: number
  readonly identifiesResetAfter: number
  readonly disallowedIntents: number
  readonly guilds: number
  readonly sessionTimeout: number
  readonly replayBuffer: number
  readonly forgetsAcknowledged: boolean
  readonly replaysResumed: boolean
  readonly history: number
}

const millis = (duration: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(duration))

/** Applies the defaults. */
export const withDefaults = (options: SimulatorOptions, addresses: Addresses): Settings => {
  const { remaining, resetAfter = "24 hours", total = 1000 } = options.sessionStartLimit ?? {}
  const token = options.token ?? "simulated-token"
  return {
    ...addresses,
    token: typeof token === "string" ? Redacted.make(token) : token,
    heartbeatInterval: millis(options.heartbeatInterval ?? 41_250),
    heartbeatTimeout: options.heartbeatTimeout ?? true,
    shards: options.shards,
    guildsPerShard: Math.max(1, options.guildsPerShard ?? 1000),
    shardsMultiple: Math.max(1, options.shardsMultiple ?? 1),
    shardingRequired: options.shardingRequired ?? 1,
    maxConcurrency: Math.max(1, options.maxConcurrency ?? 1),
    identifyGrace: millis(options.identifyGrace ?? 0),
    identifiesTotal: total,
    identifiesRemaining: remaining ?? total,
    identifiesResetAfter: millis(resetAfter),
    disallowedIntents: (options.disallowedIntents ?? []).reduce((bits, name) => bits | Intents[name], 0),
    guilds: options.guilds ?? 0,
    sessionTimeout: millis(options.sessionTimeout ?? "3 minutes"),
    replayBuffer: options.replayBuffer ?? 50_000,
    forgetsAcknowledged: options.forgetsAcknowledged ?? false,
    replaysResumed: options.replaysResumed ?? false,
    history: options.history ?? Infinity
  }
}
