/**
 * Configuration of the gateway, checked before anything is dialled: from options in code, from a `Config`, or from the
 * environment.
 *
 * Defaults (`OptionsSchema`) and environment variables are resolved here; no other module reads them.
 */
import type { GatewayPresenceUpdateData } from "discord-api-types/v10"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import type { CapabilitiesInput } from "../schema/Capabilities.ts"
import type { GatewayCompression } from "../schema/Compression.ts"
import { InvalidConfig } from "../schema/FatalError.ts"
import { GatewayError } from "../schema/GatewayError.ts"
import type { IdentifyProperties } from "../schema/Handshake.ts"
import type { IntentsInput } from "../schema/Intents.ts"
import type { DispatchName } from "../schema/Payload.ts"
import type { ShardId } from "../schema/ShardId.ts"
import type { ShardSelection } from "../schema/ShardSelection.ts"
import * as GatewayVariables from "./GatewayVariables.ts"
import { decodeOption, describeIssue, type OptionIssue } from "./OptionIssue.ts"
import { optionsSchema } from "./OptionsSchema.ts"
import { concealToken } from "./TokenConcealment.ts"

export { defaultIntents, defaultReconnect } from "./OptionsSchema.ts"

/**
 * Options of the gateway. Only the token is required.
 *
 * @category models
 * @since 0.1.0
 */
export interface GatewayOptions {
  /** The bot's token, without "Bot " before it. A plain string is redacted at once. */
  readonly token: Redacted.Redacted<string> | string
  /** Intents to ask for. Default: every intent that is not privileged. */
  readonly intents?: IntentsInput | undefined
  /**
   * Capabilities to name in IDENTIFY, such as `["CHANNEL_OBFUSCATION"]`. A session that was started with others is not
   * resumed. Default: none.
   */
  readonly capabilities?: CapabilitiesInput | undefined
  /**
   * Shards to run: a count, some of a total, or as many as Discord recommends, also later (`growth`). Default: 1.
   *
   * `shards: 4` runs 0 to 3 of 4; `shards: { ids: [2, 3], total: 4 }` the latter two; `"auto"` as many as Discord
   * recommends (one, where a `gatewayUrl` is given).
   */
  readonly shards?: ShardSelection | undefined
  /**
   * Compression of inbound payloads. Default: "auto", the best that the runtime has (on Node.js zstd-stream from 22.15,
   * zlib-stream before).
   */
  readonly compression?: "auto" | GatewayCompression | undefined
  /**
   * Names of the dispatches that the program wants. All others are dropped before they are parsed, except READY,
   * RESUMED and the answers to the library's own requests. Default: all.
   */
  readonly events?: ReadonlyArray<DispatchName> | undefined
  /**
   * When the shards connect: as soon as the layer is built ("auto"), or when the program runs `gateway.connect` ("manual"), so that
   * every part of it has subscribed before the first payload comes. Default: "auto".
   */
  readonly connect?: "auto" | "manual" | undefined
  /** The presence that the bot starts with. */
  readonly presence?: GatewayPresenceUpdateData | undefined
  /** Member count, 50 to 250, above which a guild comes without its offline members. Default: Discord's, 50. */
  readonly largeThreshold?: number | undefined
  /** Client description in IDENTIFY. Default: os `linux`, browser and device `disruption-gateway`. */
  readonly properties?: { readonly [Name in keyof IdentifyProperties]?: string | undefined } | undefined
  /** Base URL of GET /gateway/bot. Default: https://discord.com/api/v10 */
  readonly apiUrl?: string | undefined
  /**
   * Gateway URL to connect to. With it, GET /gateway/bot is not asked, so neither the day's IDENTIFY budget nor
   * max_concurrency is known. Default: Discord's answer.
   */
  readonly gatewayUrl?: string | undefined
  /**
   * Waits between attempts to connect. Its end is fatal. Default: exponential backoff, 1 to 60 seconds, without end.
   */
  readonly reconnect?: Schedule.Schedule<unknown, GatewayError> | undefined
  /** Session duration that resets `reconnect`. Default: 10 seconds. */
  readonly stableAfter?: Duration.Input | undefined
  readonly timeouts?:
    | {
        /** Limit for opening the WebSocket. Default: 10 seconds. */
        readonly open?: Duration.Input | undefined
        /** Limit for HELLO on an open WebSocket. Default: 10 seconds. */
        readonly hello?: Duration.Input | undefined
        /**
         * Limit for READY after an IDENTIFY. It is long, since in Discord's own outages READY takes its time, and each IDENTIFY
         * costs one of the day's; and it doubles, up to eightfold, with each in a row that is not answered. Default: 10 minutes.
         */
        readonly ready?: Duration.Input | undefined
        /** Limit for RESUMED after a RESUME, or after what was replayed last. Then RESUME is tried again. Default: 1 minute. */
        readonly resumed?: Duration.Input | undefined
        /** Limit for Discord's close frame at shutdown. Default: 1 second. */
        readonly close?: Duration.Input | undefined
        /** Limit for GET /gateway/bot. Default: 10 seconds. */
        readonly directory?: Duration.Input | undefined
        /** For one call of the session store; at shutdown nothing waits for it for longer. Default: 5 seconds. */
        readonly store?: Duration.Input | undefined
        /** For a stored session to be read, by calls that are repeated, before it counts as none. Default: 1 minute. */
        readonly storeRead?: Duration.Input | undefined
      }
    | undefined
  /** High-water mark in payloads: with so many waiting for subscribers the socket is paused. Default: 4096. */
  readonly buffer?: number | undefined
  /** High-water mark in bytes of payloads. Default: 16 MiB. */
  readonly bufferBytes?: number | undefined
  /** Largest accepted message in bytes, before and after inflating. Default: 64 MiB. */
  readonly maxPayloadBytes?: number | undefined
  /** Shortest time between two writes of the sessions while payloads are handled. Default: 1 second. */
  readonly saveEvery?: Duration.Input | undefined
  /**
   * Limit for a session that Discord does not invalidate but whose RESUMEs fail: it is given up after this many
   * failures, but not before this time since the first. Default: 5 failures, 5 minutes.
   */
  readonly giveUpResume?:
    | { readonly failures?: number | undefined; readonly after?: Duration.Input | undefined }
    | undefined
  /**
   * Probe of a session on which no event has come for long: the bot asks for itself as a member of one of its guilds, and
   * where no dispatch comes within `answerWithin` (1 minute) it reconnects and resumes, as the session is deaf. Long is twice
   * the longest silence of the last 24 hours, at least `atLeast` (10 minutes) and at most `atMost` (1 hour). There is one
   * probe in ten minutes and shard at most, and the program does not see its answer. `false` for none.
   */
  readonly silenceProbe?:
    | false
    | {
        readonly atLeast?: Duration.Input | undefined
        readonly atMost?: Duration.Input | undefined
        readonly answerWithin?: Duration.Input | undefined
      }
    | undefined
  /**
   * Growth under `shards: "auto"`: Discord is asked again for its recommendation after `every` (4 hours), and within minutes when
   * a shard has 80 % of the 2500 guilds that it may have; when it is higher by a tenth the bot reshards. Reshards are `apart`
   * (12 hours), an hour at most when a shard is that full. The number never falls. `false` stays with the first answer.
   */
  readonly growth?:
    | false
    | {
        readonly every?: Duration.Input | undefined
        readonly apart?: Duration.Input | undefined
      }
    | undefined
  /**
   * Limit of failures that reconnecting repeats. Default: 3.
   *
   * - `MalformedPayload` at the same sequence: after this many, the payload is left out (`MalformedSkipped`).
   * - `DecompressionFailed` on connections in a row: after this many, the shard connects without compression from then
   * on.
   */
  readonly malformedReplays?: number | undefined
  /** Payloads that may wait to be sent, for each shard. Default: 1000. */
  readonly sendQueue?: number | undefined
  /**
   * Whether the times of IDENTIFYs are kept over restarts, so that a crash loop slows down: in the store of sessions, or on
   * Node.js without one in a file of the user's state folder. Default: true.
   */
  readonly keepIdentifies?: boolean | undefined
  /** IDENTIFYs of the day that stay untouched. Default: one in a hundred. */
  readonly identifyReserve?: number | undefined
  /** Reaction to an exhausted day's budget of IDENTIFYs: wait for the next, or fail the stream. Default: "wait". */
  readonly whenBudgetExhausted?: "wait" | "fail" | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Variables
// ---------------------------------------------------------------------------------------------------------------------

const variables = {
  token: "DISCORD_TOKEN",
  intents: "DISCORD_INTENTS",
  shards: "DISCORD_SHARDS",
  compression: "DISCORD_COMPRESSION",
  largeThreshold: "DISCORD_LARGE_THRESHOLD",
  identifyReserve: "DISCORD_IDENTIFY_RESERVE",
  keepIdentifies: "DISCORD_KEEP_IDENTIFIES",
  apiUrl: "DISCORD_API_URL",
  gatewayUrl: "DISCORD_GATEWAY_URL"
} as const

/** Given options, and variables for the others. The variable of a given option is not read. */
const readVariables = (
  given: Partial<GatewayOptions>,
  token: Config.Config<Redacted.Redacted<string>>
): Config.Config<GatewayOptions> =>
  Config.flatMap(given.token === undefined ? token : Config.succeed(given.token), (token) => {
    const orRead = <A, B>(
      value: A | undefined,
      read: (name: string, token: string) => Config.Config<B>,
      name: string
    ) => (value === undefined ? read(name, textOf(token)) : Config.succeed(value))
    return Config.map(
      Config.all({
        intents: orRead(given.intents, GatewayVariables.intents, variables.intents),
        shards: orRead(given.shards, GatewayVariables.shards, variables.shards),
        compression: orRead(given.compression, GatewayVariables.compression, variables.compression),
        largeThreshold: orRead(given.largeThreshold, GatewayVariables.largeThreshold, variables.largeThreshold),
        identifyReserve: orRead(given.identifyReserve, GatewayVariables.identifyReserve, variables.identifyReserve),
        keepIdentifies: orRead(given.keepIdentifies, GatewayVariables.keepIdentifies, variables.keepIdentifies),
        apiUrl: orRead(given.apiUrl, GatewayVariables.apiUrl, variables.apiUrl),
        gatewayUrl: orRead(given.gatewayUrl, GatewayVariables.gatewayUrl, variables.gatewayUrl)
      }),
      (read) => ({ ...given, ...read, token })
    )
  })

/**
 * The checked configuration, with every default filled in.
 *
 * @category services
 * @since 0.1.0
 */
export class GatewayConfig extends Context.Service<
  GatewayConfig,
  {
    readonly token: Redacted.Redacted<string>
    /** A bit field. */
    readonly intents: number
    /** A bit field; zero for none. */
    readonly capabilities: number
    readonly shards: "auto" | ReadonlyArray<ShardId>
    readonly compression: "auto" | GatewayCompression
    /** Undefined for all. */
    readonly events: ReadonlySet<string> | undefined
    readonly connect: "auto" | "manual"
    readonly presence: GatewayPresenceUpdateData | undefined
    readonly largeThreshold: number | undefined
    readonly properties: IdentifyProperties
    /** Without a slash at the end. */
    readonly apiUrl: string
    readonly gatewayUrl: string | undefined
    readonly reconnect: Schedule.Schedule<unknown, GatewayError>
    readonly stableAfter: Duration.Duration
    readonly timeouts: {
      readonly open: Duration.Duration
      readonly hello: Duration.Duration
      readonly ready: Duration.Duration
      readonly resumed: Duration.Duration
      readonly close: Duration.Duration
      readonly directory: Duration.Duration
      readonly store: Duration.Duration
      readonly storeRead: Duration.Duration
    }
    readonly buffer: number
    readonly bufferBytes: number
    readonly maxPayloadBytes: number
    readonly saveEvery: Duration.Duration
    readonly giveUpResume: { readonly failures: number; readonly after: Duration.Duration }
    readonly silenceProbe:
      | false
      | {
          readonly atLeast: Duration.Duration
          readonly atMost: Duration.Duration
          readonly answerWithin: Duration.Duration
        }
    readonly growth: false | { readonly every: Duration.Duration; readonly apart: Duration.Duration }
    readonly malformedReplays: number
    readonly sendQueue: number
    readonly keepIdentifies: boolean
    readonly identifyReserve: number | undefined
    readonly whenBudgetExhausted: "wait" | "fail"
  }
>()("disruption-gateway/services/GatewayConfig") {
  /**
   * The configuration from options. Fails with `InvalidConfig`, which names the option.
   *
   * ```ts
   * GatewayConfig.layer({ token, intents: ["GUILDS", "GUILD_MESSAGES"] })
   * ```
   */
  static readonly layer = (options: GatewayOptions): Layer.Layer<GatewayConfig, GatewayError> =>
    Layer.effect(
      GatewayConfig,
      Effect.suspend(() => resolve(options))
    )

  /**
   * The options from variables, for a program that reads them as a `Config` among its own.
   *
   * Reads DISCORD_TOKEN, DISCORD_INTENTS (names or a bit field), DISCORD_SHARDS ("4", "2,3/4" for two of four, or
   * "auto"), DISCORD_COMPRESSION, DISCORD_LARGE_THRESHOLD, DISCORD_IDENTIFY_RESERVE,
   * DISCORD_KEEP_IDENTIFIES ("true" or "false"), DISCORD_API_URL, DISCORD_GATEWAY_URL. Fails with `ConfigError`, which names the variable.
   *
   * ```ts
   * GatewayConfig.layerConfig(Config.nested(GatewayConfig.config, "BOT")) // BOT_DISCORD_TOKEN, …
   * ```
   */
  static readonly config: Config.Config<GatewayOptions> = readVariables({}, Config.Redacted(variables.token))

  /**
   * The configuration from a `Config` for each option, or one for all. Fails with the `ConfigError` of a `Config`, or
   * with
   * `InvalidConfig`, which names the option.
   *
   * ```ts
   * GatewayConfig.layerConfig({ token: Config.Redacted("BOT_TOKEN"), intents: Config.succeed(["GUILDS"]) })
   * ```
   */
  static readonly layerConfig = (
    options: Config.Wrap<GatewayOptions>
  ): Layer.Layer<GatewayConfig, Config.ConfigError | GatewayError> =>
    Layer.effect(
      GatewayConfig,
      Effect.flatMap(Config.unwrap<GatewayOptions>(options), (options) => resolve(options))
    )

  /**
   * The configuration from options, completed by the environment (the current `ConfigProvider`) with the variables of
   * `GatewayConfig.config`. Fails with `InvalidConfig`, which names the option or the variable.
   */
  static readonly layerEnvWith = (options: Partial<GatewayOptions>): Layer.Layer<GatewayConfig, GatewayError> =>
    Layer.effect(
      GatewayConfig,
      readVariables(options, Config.withDefault(Config.Redacted(variables.token), Redacted.make(""))).pipe(
        Effect.mapError((error) => explain(error)),
        Effect.flatMap((resolved) => resolve(resolved, options.token === undefined ? variables.token : "token"))
      )
    )

  /** The configuration from the environment alone. */
  static readonly layerEnv: Layer.Layer<GatewayConfig, GatewayError> = GatewayConfig.layerEnvWith({})
}

/**
 * Schema of the options: a program's options are the encoded side, the service's values the decoded one.
 *
 * @category schemas
 * @since 0.1.0
 */
export const GatewayOptions: Schema.Codec<GatewayConfig["Service"], GatewayOptions> = optionsSchema

// ---------------------------------------------------------------------------------------------------------------------
// Checks
// ---------------------------------------------------------------------------------------------------------------------

const refuse = ({ description, option }: OptionIssue) =>
  new GatewayError({ reason: new InvalidConfig({ option, description }) })

const resolve = (
  options: typeof optionsSchema.Encoded,
  tokenName = "token"
): Effect.Effect<GatewayConfig["Service"], GatewayError> =>
  Effect.fromResult(
    Result.mapError(decodeOption(optionsSchema)(options), ({ description, option }) =>
      refuse({
        option: option === "token" ? tokenName : option,
        description: concealToken(description, textOf(options.token))
      })
    )
  )

/** The token's text, which `concealToken` removes from messages. */
const textOf = (token: GatewayOptions["token"]): string => {
  const text: unknown = Redacted.isRedacted(token) ? Redacted.value(token) : token
  return Predicate.isString(text) ? text : ""
}

/** `InvalidConfig` for an invalid variable, or for a `ConfigProvider` that cannot be read. */
const explain = ({ cause, message }: Config.ConfigError): GatewayError =>
  cause._tag === "SchemaError"
    ? refuse(describeIssue(cause.issue))
    : refuse({ option: "environment", description: message })
