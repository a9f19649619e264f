/**
 * What a user sets, checked before anything is dialled: from options in code, or from the environment.
 *
 * Every value is resolved here, so that no other module knows a default or reads the environment.
 */
import type { GatewayPresenceUpdateData } from "discord-api-types/v10"
import * as Arr from "effect/Array"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type { Compression } from "../schema/Compression.ts"
import { InvalidConfig } from "../schema/FatalError.ts"
import { GatewayError } from "../schema/GatewayError.ts"
import { Intents, type IntentsInput, intentNames, parseIntents, privilegedIntents } from "../schema/Intents.ts"
import type { IdentifyProperties } from "../schema/Handshake.ts"
import type { DispatchName } from "../schema/Payload.ts"
import type { ShardId } from "../schema/ShardId.ts"
import { parseShards, type ShardSelection, shardIdsOf } from "../schema/ShardSelection.ts"

/** What a program can set. Only the token is required. */
export interface GatewayOptions {
  /** The bot's token, without "Bot " before it. A plain string is redacted at once. */
  readonly token: Redacted.Redacted<string> | string
  /** Which events to ask for. Default: every intent that is not privileged. */
  readonly intents?: IntentsInput | undefined
  /**
   * How many shards to run, or which ones of how many. Default: 1.
   *
   * `shards: 4` runs 0 to 3 of 4; `shards: { ids: [2, 3], total: 4 }` the latter two; `"auto"` as many as Discord
   * recommends (one, where a `gatewayUrl` is given).
   */
  readonly shards?: ShardSelection | undefined
  /**
   * How what Discord sends is compressed. Default: "auto", the best that the runtime has (on Node.js zstd-stream from
   * 22.15, zlib-stream before).
   */
  readonly compression?: "auto" | Compression | undefined
  /**
   * The dispatches that the program wants. All others are dropped before they are parsed; READY, RESUMED and the answers
   * to what the library asks for are always seen. Default: all.
   */
  readonly events?: ReadonlyArray<DispatchName> | undefined
  /** The presence that the bot starts with. */
  readonly presence?: GatewayPresenceUpdateData | undefined
  /** From 50 to 250: guilds with more members come without the offline ones. Default: Discord's, 50. */
  readonly largeThreshold?: number | undefined
  /** How the client presents itself. */
  readonly properties?: Partial<IdentifyProperties> | undefined
  /** Where GET /gateway/bot is asked. Default: https://discord.com/api/v10 */
  readonly apiUrl?: string | undefined
  /** Where to connect. Given, GET /gateway/bot is not asked, and neither the day's budget nor max_concurrency is known. */
  readonly gatewayUrl?: string | undefined
  /** The waits between attempts to connect. Its end is fatal. Default: 1, 2, 4 … 60, 60 … seconds, without end. */
  readonly reconnect?: Schedule.Schedule<unknown, GatewayError> | undefined
  /** How long a session must have lasted for the waits to begin anew. Default: 10 seconds. */
  readonly stableAfter?: Duration.Input | undefined
  readonly timeouts?:
    | {
        /** For opening the WebSocket. Default: 10 seconds. */
        readonly open?: Duration.Input | undefined
        /** For HELLO, once it is open. Default: 10 seconds. */
        readonly hello?: Duration.Input | undefined
        /** For Discord's close frame at shutdown. Default: 1 second. */
        readonly close?: Duration.Input | undefined
        /** For GET /gateway/bot. Default: 10 seconds. */
        readonly directory?: Duration.Input | undefined
      }
    | undefined
  /** How many payloads may wait for the subscribers before the socket is paused. Default: 4096. */
  readonly buffer?: number | undefined
  /** How many bytes of payloads may wait for the subscribers before the socket is paused. Default: 16 MiB. */
  readonly bufferBytes?: number | undefined
  /** The largest message that is accepted, in bytes. Default: 64 MiB. */
  readonly maxPayloadBytes?: number | undefined
  /** How often the sessions are stored at most, while payloads are handled. Default: 1 second. */
  readonly saveEvery?: Duration.Input | undefined
  /**
   * When a session is given up on which RESUME fails again and again, without a word from Discord that it is gone: after
   * so many failures and not before this time has passed since the first. Default: 5 failures, 5 minutes.
   */
  readonly giveUpResume?: { readonly failures?: number; readonly after?: Duration.Input } | undefined
  /** How often a malformed payload may come at the same sequence before it is left out. Default: 3. */
  readonly malformedReplays?: number | undefined
  /** How many payloads may wait to be sent, for each shard. Default: 1000. */
  readonly sendQueue?: number | undefined
  /** How many of the day's IDENTIFYs are left untouched. Default: one in a hundred. */
  readonly identifyReserve?: number | undefined
  /** What to do when the day's IDENTIFYs are used up: wait for new ones, or fail the stream. Default: "wait". */
  readonly whenBudgetExhausted?: "wait" | "fail" | undefined
}

/** The checked configuration. */
export class GatewayConfig extends Context.Service<
  GatewayConfig,
  {
    readonly token: Redacted.Redacted<string>
    /** A bit field. */
    readonly intents: number
    readonly shards: "auto" | ReadonlyArray<ShardId>
    readonly compression: "auto" | Compression
    /** Undefined for all. */
    readonly events: ReadonlySet<string> | undefined
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
      readonly close: Duration.Duration
      readonly directory: Duration.Duration
    }
    readonly buffer: number
    readonly bufferBytes: number
    readonly maxPayloadBytes: number
    readonly saveEvery: Duration.Duration
    readonly giveUpResume: { readonly failures: number; readonly after: Duration.Duration }
    readonly malformedReplays: number
    readonly sendQueue: number
    readonly identifyReserve: number | undefined
    readonly whenBudgetExhausted: "wait" | "fail"
  }
>()("disruption-gateway/GatewayConfig") {
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
      Effect.suspend(() => resolve(options, (option) => option))
    )

  /**
   * The configuration from the environment (the current `ConfigProvider`), where the given options do not say it.
   * Fails with `InvalidConfig`, which names the variable.
   *
   * Reads DISCORD_TOKEN, DISCORD_INTENTS (names or a bit field), DISCORD_SHARDS ("4", "2,3/4" for two of four, or "auto"),
   * DISCORD_COMPRESSION, DISCORD_LARGE_THRESHOLD, DISCORD_IDENTIFY_RESERVE, DISCORD_API_URL, DISCORD_GATEWAY_URL.
   */
  static readonly layerEnvWith = (options: Partial<GatewayOptions>): Layer.Layer<GatewayConfig, GatewayError> => {
    const given = new Set(Object.entries(options).flatMap(([option, value]) => (value === undefined ? [] : [option])))
    return Layer.effect(
      GatewayConfig,
      Effect.flatMap(
        Effect.suspend(() => environment),
        (env) =>
          resolve(
            {
              ...options,
              token: options.token ?? env.token,
              intents: options.intents ?? env.intents,
              shards: options.shards ?? env.shards,
              compression: options.compression ?? env.compression,
              largeThreshold: options.largeThreshold ?? env.largeThreshold,
              identifyReserve: options.identifyReserve ?? env.identifyReserve,
              apiUrl: options.apiUrl ?? env.apiUrl,
              gatewayUrl: options.gatewayUrl ?? env.gatewayUrl
            },
            (option) => (given.has(option) ? option : (variables[option] ?? option))
          )
      )
    )
  }

  /** The configuration from the environment alone. */
  static readonly layerEnv: Layer.Layer<GatewayConfig, GatewayError> = GatewayConfig.layerEnvWith({})
}

/** The waits between attempts to connect: 1, 2, 4, 8, 16, 32, 60, 60 … seconds. */
export const defaultReconnect: Schedule.Schedule<Duration.Duration> = Schedule.min([
  Schedule.exponential("1 second"),
  Schedule.spaced("60 seconds")
])

/** Every intent that needs no approval. */
export const defaultIntents: number = intentNames
  .filter((name) => !privilegedIntents.includes(name))
  .reduce((bits, name) => bits | Intents[name], 0)

// ---------------------------------------------------------------------------------------------------------------------
// Checks
// ---------------------------------------------------------------------------------------------------------------------

/** Options that may also come as text. */
interface Text {
  readonly token?: GatewayOptions["token"] | undefined
  readonly shards?: string | GatewayOptions["shards"]
  readonly compression?: string | undefined
  readonly largeThreshold?: string | number | undefined
  readonly identifyReserve?: string | number | undefined
}

const resolve = Effect.fnUntraced(function* (
  options: Omit<GatewayOptions, keyof Text> & Text,
  nameOf: (option: string) => string
) {
  const refuse = (option: string, description: string) =>
    new GatewayError({ reason: new InvalidConfig({ option: nameOf(option), description }) })
  const required = <A>(option: string, value: Result.Result<A, string>) =>
    Effect.fromResult(Result.mapError(value, (description) => refuse(option, description)))

  const timeouts = options.timeouts ?? {}
  return GatewayConfig.of({
    token: yield* required("token", checkToken(options.token)),
    intents: options.intents === undefined ? defaultIntents : yield* required("intents", parseIntents(options.intents)),
    shards: yield* required("shards", checkShards(options.shards ?? 1)),
    compression: yield* required("compression", checkCompression(options.compression ?? "auto")),
    events: options.events === undefined ? undefined : new Set(options.events),
    presence: options.presence,
    largeThreshold: yield* required(
      "largeThreshold",
      options.largeThreshold === undefined ? Result.succeed(undefined) : checkInteger(options.largeThreshold, 50, 250)
    ),
    properties: { os: "linux", browser: "disruption-gateway", device: "disruption-gateway", ...options.properties },
    apiUrl: yield* required("apiUrl", checkUrl(options.apiUrl ?? "https://discord.com/api/v10", ["https:", "http:"])),
    gatewayUrl: yield* required(
      "gatewayUrl",
      options.gatewayUrl === undefined ? Result.succeed(undefined) : checkUrl(options.gatewayUrl, ["wss:", "ws:"])
    ),
    reconnect: options.reconnect ?? defaultReconnect,
    stableAfter: yield* required("stableAfter", checkDuration(options.stableAfter ?? "10 seconds")),
    timeouts: {
      open: yield* required("timeouts.open", checkDuration(timeouts.open ?? "10 seconds")),
      hello: yield* required("timeouts.hello", checkDuration(timeouts.hello ?? "10 seconds")),
      close: yield* required("timeouts.close", checkDuration(timeouts.close ?? "1 second")),
      directory: yield* required("timeouts.directory", checkDuration(timeouts.directory ?? "10 seconds"))
    },
    buffer: yield* required("buffer", checkInteger(options.buffer ?? 4096, 1, 2 ** 24)),
    bufferBytes: yield* required("bufferBytes", checkInteger(options.bufferBytes ?? 16 * 1024 * 1024, 1, 2 ** 40)),
    maxPayloadBytes: yield* required(
      "maxPayloadBytes",
      checkInteger(options.maxPayloadBytes ?? 64 * 1024 * 1024, 4096, 2 ** 30)
    ),
    saveEvery: yield* required("saveEvery", checkDuration(options.saveEvery ?? "1 second")),
    giveUpResume: {
      failures: yield* required("giveUpResume.failures", checkInteger(options.giveUpResume?.failures ?? 5, 1, 1000)),
      after: yield* required("giveUpResume.after", checkDuration(options.giveUpResume?.after ?? "5 minutes"))
    },
    malformedReplays: yield* required("malformedReplays", checkInteger(options.malformedReplays ?? 3, 1, 1000)),
    sendQueue: yield* required("sendQueue", checkInteger(options.sendQueue ?? 1000, 1, 2 ** 24)),
    identifyReserve: yield* required(
      "identifyReserve",
      options.identifyReserve === undefined
        ? Result.succeed(undefined)
        : checkInteger(options.identifyReserve, 0, 2 ** 24)
    ),
    whenBudgetExhausted: options.whenBudgetExhausted ?? "wait"
  })
})

const checkToken = (input: GatewayOptions["token"] | undefined): Result.Result<Redacted.Redacted<string>, string> => {
  const token = (Redacted.isRedacted(input) ? Redacted.value(input) : (input ?? "")).trim()
  if (token === "") {
    return Result.fail(
      "the bot's token is missing. It is in the Developer Portal: https://discord.com/developers/applications, " +
        "your application, Bot, Reset Token"
    )
  }
  if (/^Bot\s/i.test(token)) return Result.fail('the token is given without "Bot " before it')
  if (!/^[\x21-\x7e]+$/.test(token)) {
    return Result.fail("the token has white space or characters in it that no token has")
  }
  return Result.succeed(Redacted.make(token, { label: "token" }))
}

const checkShards = (input: string | ShardSelection): Result.Result<"auto" | ReadonlyArray<ShardId>, string> =>
  Result.flatMap(typeof input === "string" ? parseShards(input) : Result.succeed(input), shardIdsOf)

const compressions = ["auto", "zlib-stream", "zstd-stream", "payload", "none"] as const

const checkCompression = (input: string): Result.Result<"auto" | Compression, string> =>
  Option.match(
    Arr.findFirst(compressions, (name) => name === input),
    {
      onNone: () => Result.fail(`"${input}" is not a compression: it takes one of ${compressions.join(", ")}`),
      onSome: Result.succeed
    }
  )

const checkUrl = (url: string, protocols: ReadonlyArray<string>): Result.Result<string, string> =>
  URL.canParse(url) && protocols.includes(new URL(url).protocol)
    ? Result.succeed(url.replace(/\/+$/, ""))
    : Result.fail(`"${url}" is not a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`)

const checkDuration = (input: Duration.Input): Result.Result<Duration.Duration, string> =>
  Option.match(
    Option.filter(
      Duration.fromInput(input),
      (duration) => Duration.isFinite(duration) && Duration.isPositive(duration)
    ),
    {
      onNone: () => Result.fail(`${String(input)} is not a finite, positive duration such as "10 seconds"`),
      onSome: Result.succeed
    }
  )

const checkInteger = (input: string | number, from: number, to: number): Result.Result<number, string> => {
  const value = typeof input === "string" && /^\d+$/.test(input.trim()) ? Number(input) : input
  return typeof value === "number" && Number.isInteger(value) && value >= from && value <= to
    ? Result.succeed(value)
    : Result.fail(`${input} is not an integer from ${from} to ${to}`)
}

// ---------------------------------------------------------------------------------------------------------------------
// Environment
// ---------------------------------------------------------------------------------------------------------------------

const variables: Record<string, string | undefined> = {
  token: "DISCORD_TOKEN",
  intents: "DISCORD_INTENTS",
  shards: "DISCORD_SHARDS",
  compression: "DISCORD_COMPRESSION",
  largeThreshold: "DISCORD_LARGE_THRESHOLD",
  identifyReserve: "DISCORD_IDENTIFY_RESERVE",
  apiUrl: "DISCORD_API_URL",
  gatewayUrl: "DISCORD_GATEWAY_URL"
}

const text = (name: string) =>
  Config.String(name).pipe(
    Config.option,
    Config.map((value) => Option.getOrUndefined(Option.filter(value, (text) => text.trim() !== "")))
  )

const environment = Config.all({
  token: text("DISCORD_TOKEN"),
  intents: text("DISCORD_INTENTS"),
  shards: text("DISCORD_SHARDS"),
  compression: text("DISCORD_COMPRESSION"),
  largeThreshold: text("DISCORD_LARGE_THRESHOLD"),
  identifyReserve: text("DISCORD_IDENTIFY_RESERVE"),
  apiUrl: text("DISCORD_API_URL"),
  gatewayUrl: text("DISCORD_GATEWAY_URL")
}).pipe(
  Effect.mapError(
    (error) => new GatewayError({ reason: new InvalidConfig({ option: "environment", description: error.message }) })
  )
)
