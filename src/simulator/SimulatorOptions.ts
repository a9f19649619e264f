/**
 * How the simulated Discord is set up. Every option has a default: a bot that keeps the rules needs none.
 */
import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import { type IntentName, Intents } from "../schema/Intents.ts"

/** What can be chosen about the simulated Discord. */
export interface SimulatorOptions {
  /** The bot's token. Default: `"simulated-token"`. */
  readonly token?: Redacted.Redacted | string
  /** HELLO's `heartbeat_interval`. Default: 41.25 seconds. */
  readonly heartbeatInterval?: Duration.Input
  /** Whether a connection without heartbeats for two intervals is closed with 4009. Default: `true`. */
  readonly heartbeatTimeout?: boolean
  /** The number of shards that GET /gateway/bot recommends. Default: 1. */
  readonly shards?: number
  /** With fewer shards than this, IDENTIFY is answered by 4011. Default: 1. */
  readonly shardingRequired?: number
  /** How many IDENTIFYs may come in 5 seconds, one per bucket. Default: 1. */
  readonly maxConcurrency?: number
  /** How much earlier than 5 seconds an IDENTIFY may arrive. Default: none in memory, 100 milliseconds when served. */
  readonly identifyGrace?: Duration.Input
  /** The budget of IDENTIFYs. Default: 1000, all of them left, in 24 hours. */
  readonly sessionStartLimit?: {
    readonly total?: number
    readonly remaining?: number
    readonly resetAfter?: Duration.Input
  }
  /** Intents that the bot does not have: asking for one is answered by 4014. Default: none. */
  readonly disallowedIntents?: ReadonlyArray<IntentName>
  /** How many guilds the bot is in, over all shards. Each is sent as GUILD_CREATE after READY. Default: 0. */
  readonly guilds?: number
  /** How long a session can be resumed after its connection was lost. Default: 3 minutes. */
  readonly sessionTimeout?: Duration.Input
  /** How many dispatches a session keeps for replay; a RESUME from before them is answered by op 9. Default: 50,000. */
  readonly replayBuffer?: number
  /**
   * Whether a session forgets what a heartbeat acknowledged: a RESUME from before that is answered by op 9, too. Default:
   * `false`.
   */
  readonly forgetsAcknowledged?: boolean
  /** How much is kept of every list that can be observed. Default: all of it in memory, the last 1000 when served. */
  readonly history?: number
}

/** What can be chosen about the simulated network of the in-memory layer. */
export interface MemoryOptions extends SimulatorOptions {
  /** How long a frame or request takes one way. Default: 10 milliseconds. */
  readonly latency?: Duration.Input
  /** Whether text frames arrive as strings, as in a browser, or as bytes (`Uint8Array`). Default: `"text"`. */
  readonly frames?: "text" | "binary"
}

/** What can be chosen about the served simulator. */
export interface ServeOptions extends SimulatorOptions {
  /** Default: 0, which takes any free port. */
  readonly port?: number
  /** Default: `"127.0.0.1"`. */
  readonly host?: string
}

/** Where clients find the simulated Discord. */
export interface Addresses {
  readonly apiUrl: string
  readonly gatewayUrl: string
  readonly resumeUrl: string
}

/** The options with their defaults filled in. Durations are milliseconds. */
export interface Settings extends Addresses {
  readonly token: Redacted.Redacted
  readonly heartbeatInterval: number
  readonly heartbeatTimeout: boolean
  readonly shards: number
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
  readonly history: number
}

const millis = (duration: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(duration))

/** Fills in the defaults. */
export const settle = (options: SimulatorOptions, addresses: Addresses): Settings => {
  const { remaining, resetAfter = "24 hours", total = 1000 } = options.sessionStartLimit ?? {}
  const token = options.token ?? "simulated-token"
  return {
    ...addresses,
    token: typeof token === "string" ? Redacted.make(token) : token,
    heartbeatInterval: millis(options.heartbeatInterval ?? 41_250),
    heartbeatTimeout: options.heartbeatTimeout ?? true,
    shards: options.shards ?? 1,
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
    history: options.history ?? Infinity
  }
}
