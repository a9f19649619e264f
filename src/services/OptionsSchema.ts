/**
 * Schema of all options, with their defaults.
 */
import * as Schedule from "effect/Schedule"
import type * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { Intents, intentNames, privilegedIntents } from "../schema/Intents.ts"
import { PresenceUpdate } from "../schema/PresenceUpdate.ts"
import * as GatewayOption from "./GatewayOption.ts"

const { IntegerBetween, orElse, Wait } = GatewayOption

/**
 * Exponential backoff between attempts to connect: 1, 2, 4, 8, 16, 32, 60, 60 … seconds.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultReconnect: Schedule.Schedule<Duration.Duration> = Schedule.min([
  Schedule.exponential("1 second"),
  Schedule.spaced("60 seconds")
])

/**
 * Bit field of every intent that is not privileged.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultIntents: number = intentNames
  .filter((name) => !privilegedIntents.includes(name))
  .reduce((bits, name) => bits | Intents[name], 0)

/** All options: a program's options are the encoded side, the service's values the decoded one. */
export const optionsSchema = Schema.Struct({
  token: GatewayOption.Token,
  intents: GatewayOption.Intents.pipe(orElse(defaultIntents)),
  capabilities: GatewayOption.Capabilities.pipe(orElse(0)),
  shards: GatewayOption.Shards.pipe(orElse(1)),
  compression: GatewayOption.Compression.pipe(orElse("auto")),
  events: Schema.UndefinedOr(GatewayOption.Events).pipe(orElse(undefined)),
  connect: Schema.Literals(["auto", "manual"]).pipe(orElse("auto")),
  presence: Schema.UndefinedOr(PresenceUpdate).pipe(orElse(undefined)),
  largeThreshold: Schema.UndefinedOr(GatewayOption.LargeThreshold).pipe(orElse(undefined)),
  properties: Schema.Struct({
    os: Schema.String.pipe(orElse("linux")),
    browser: Schema.String.pipe(orElse("disruption-gateway")),
    device: Schema.String.pipe(orElse("disruption-gateway"))
  }).pipe(orElse({})),
  apiUrl: GatewayOption.ApiUrl.pipe(orElse("https://discord.com/api/v10")),
  gatewayUrl: Schema.UndefinedOr(GatewayOption.GatewayUrl).pipe(orElse(undefined)),
  reconnect: GatewayOption.Reconnect.pipe(orElse(defaultReconnect)),
  stableAfter: Wait.pipe(orElse("10 seconds")),
  timeouts: Schema.Struct({
    open: Wait.pipe(orElse("10 seconds")),
    hello: Wait.pipe(orElse("10 seconds")),
    ready: Wait.pipe(orElse("10 minutes")),
    resumed: Wait.pipe(orElse("1 minute")),
    close: Wait.pipe(orElse("1 second")),
    directory: Wait.pipe(orElse("10 seconds")),
    store: Wait.pipe(orElse("5 seconds")),
    storeRead: Wait.pipe(orElse("1 minute"))
  }).pipe(orElse({})),
  buffer: IntegerBetween(1, 2 ** 24).pipe(orElse(4096)),
  bufferBytes: IntegerBetween(1, 2 ** 40).pipe(orElse(16 * 1024 * 1024)),
  maxPayloadBytes: IntegerBetween(4096, 2 ** 30).pipe(orElse(64 * 1024 * 1024)),
  saveEvery: Wait.pipe(orElse("1 second")),
  giveUpResume: Schema.Struct({
    failures: IntegerBetween(1, 1000).pipe(orElse(5)),
    after: Wait.pipe(orElse("5 minutes"))
  }).pipe(orElse({})),
  silenceProbe: Schema.Union([
    Schema.Literal(false),
    Schema.Struct({
      atLeast: Wait.pipe(orElse("10 minutes")),
      atMost: Wait.pipe(orElse("1 hour")),
      answerWithin: Wait.pipe(orElse("1 minute"))
    })
  ]).pipe(orElse({})),
  growth: Schema.Union([
    Schema.Literal(false),
    Schema.Struct({
      every: Wait.pipe(orElse("4 hours")),
      apart: Wait.pipe(orElse("12 hours"))
    })
  ]).pipe(orElse({})),
  malformedReplays: IntegerBetween(1, 1000).pipe(orElse(3)),
  sendQueue: IntegerBetween(1, 2 ** 24).pipe(orElse(1000)),
  keepIdentifies: Schema.Boolean.pipe(orElse(true)),
  identifyReserve: Schema.UndefinedOr(GatewayOption.IdentifyReserve).pipe(orElse(undefined)),
  whenBudgetExhausted: Schema.Literals(["wait", "fail"]).pipe(orElse("wait"))
})
