/**
 * Schemas of single options: the user's value is the encoded side, the service's value the decoded one.
 *
 * An error quotes the value (`"4,5" does not say which shards: …`) or names the accepted ones (`Expected an integer
 * from 50 to 250, got 49`).
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import { type CapabilitiesInput, parseCapabilities } from "../schema/Capabilities.ts"
import { dispatchNames } from "../schema/DispatchNames.ts"
import type { GatewayError } from "../schema/GatewayError.ts"
import { type IntentsInput, parseIntents } from "../schema/Intents.ts"
import { unknownEvent } from "../schema/NearestEvents.ts"
import type { DispatchName } from "../schema/Payload.ts"
import { ShardId } from "../schema/ShardId.ts"
import { shardIdsOf } from "../schema/ShardSelection.ts"

/** Getter of a function that fails with a message. */
export const parse = <Out, In>(read: (input: In) => Result.Result<Out, string>) =>
  SchemaGetter.transformEffect<Out, In>((input, options) =>
    Effect.mapError(
      Effect.fromResult(read(input)),
      (message) => new SchemaIssue.InvalidValue({ message }, input, options)
    )
  )

/** Optional key with a default, which may also be undefined. */
export const orElse =
  <S extends Schema.Constraint>(fallback: S["Encoded"]) =>
  (schema: S) =>
    Schema.optional(Schema.toEncoded(schema)).pipe(
      Schema.decodeTo(schema, {
        decode: SchemaGetter.withDefault(Effect.succeed(fallback)),
        encode: SchemaGetter.passthrough()
      })
    )

const missingToken =
  "the bot's token is missing. It is in the Developer Portal: https://discord.com/developers/applications, " +
  "your application, Bot, Reset Token"

/** A bot's token. Plain text is redacted, and no message shows it. */
export const Token = Schema.declare<Redacted.Redacted<string> | string>(
  (input): input is Redacted.Redacted<string> | string =>
    Predicate.isString(Redacted.isRedacted(input) ? Redacted.value(input) : input),
  { message: missingToken }
)
  .pipe(
    Schema.decodeTo(Schema.Redacted(Schema.String), {
      decode: parse((input) => {
        const token = (Predicate.isString(input) ? input : Redacted.value(input)).trim()
        if (token === "") return Result.fail(missingToken)
        if (/^Bot\s/i.test(token)) return Result.fail('the token is given without "Bot " before it')
        return /^[\x21-\x7e]+$/.test(token)
          ? Result.succeed(Redacted.make(token, { label: "token" }))
          : Result.fail("the token has white space or characters in it that no token has")
      }),
      encode: SchemaGetter.passthroughSupertype()
    })
  )
  .annotateKey({ messageMissingKey: missingToken })

/** Intents by names or as a bit field; holds the bit field. */
export const Intents = Schema.declare<IntentsInput>(
  // Checks only the type of the value: parseIntents reports the wrong name.
  (input): input is IntentsInput =>
    Predicate.isNumber(input) || Predicate.isString(input) || (Array.isArray(input) && input.every(Predicate.isString)),
  { expected: "names of intents or a bit field" }
).pipe(Schema.decodeTo(Schema.Int, { decode: parse(parseIntents), encode: SchemaGetter.passthroughSupertype() }))

/** Capabilities by names or as a bit field; holds the bit field. */
export const Capabilities = Schema.declare<CapabilitiesInput>(
  // Checks only the type of the value: parseCapabilities reports the wrong name.
  (input): input is CapabilitiesInput =>
    Predicate.isNumber(input) || Predicate.isString(input) || (Array.isArray(input) && input.every(Predicate.isString)),
  { expected: "names of capabilities or a bit field" }
).pipe(Schema.decodeTo(Schema.Int, { decode: parse(parseCapabilities), encode: SchemaGetter.passthroughSupertype() }))

/** A `ShardSelection`: a count, some of a total, or as many as Discord recommends. */
export const Shards = Schema.Union([
  Schema.Literal("auto"),
  Schema.Finite,
  Schema.Struct({ ids: Schema.Array(Schema.Finite), total: Schema.Finite })
])
  .annotate({ expected: '"auto", a count, or { ids, total }' })
  .pipe(
    Schema.decodeTo(Schema.Union([Schema.Literal("auto"), Schema.Array(Schema.toType(ShardId))]), {
      decode: parse(shardIdsOf),
      encode: SchemaGetter.transform((shards) =>
        shards === "auto" ? shards : { ids: shards.map(({ id }) => id), total: shards[0]?.total ?? 0 }
      )
    })
  )

/** Compression of inbound payloads. */
export const Compression = Schema.Literals(["auto", "zlib-stream", "zstd-stream", "payload", "none"])

/** Names of the dispatches that the program wants. */
export const Events = Schema.declare<ReadonlyArray<DispatchName>>(
  // Checks only the type of the value: the decoder below reports the wrong name.
  (input): input is ReadonlyArray<DispatchName> => Array.isArray(input) && input.every(Predicate.isString),
  { expected: "an array with names of events" }
).pipe(
  Schema.decodeTo(Schema.ReadonlySet(Schema.Literals(dispatchNames)), {
    decode: parse((names) => {
      const unknown = names.find((name) => !dispatchNames.includes(name))
      return unknown === undefined ? Result.succeed(new Set(names)) : Result.fail(unknownEvent(unknown))
    }),
    encode: SchemaGetter.transform((names) => [...names])
  })
)

/** An integer within inclusive limits. */
export const IntegerBetween = (from: number, to: number) => {
  const expected = `an integer from ${from} to ${to}`
  return Schema.declare<number>(Predicate.isNumber, { expected }).check(
    Schema.makeFilter((value) => Number.isInteger(value) && value >= from && value <= to, { expected })
  )
}

/** A URL of one of the protocols; holds it without a slash at the end. */
const Url = (...protocols: ReadonlyArray<string>) => {
  const expected = `a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`
  return Schema.declare<string>(Predicate.isString, { expected })
    .check(Schema.makeFilter((url) => URL.canParse(url) && protocols.includes(new URL(url).protocol), { expected }))
    .pipe(
      Schema.decodeTo(Schema.String, {
        decode: SchemaGetter.transform((url) => url.replace(/\/+$/, "")),
        encode: SchemaGetter.passthrough()
      })
    )
}

/** Member count above which a guild comes without its offline members. */
export const LargeThreshold = IntegerBetween(50, 250)

/** IDENTIFYs of the day that stay untouched. */
export const IdentifyReserve = IntegerBetween(0, 2 ** 24)

/** Base URL of GET /gateway/bot. */
export const ApiUrl = Url("https:", "http:")

/** URL of the gateway. */
export const GatewayUrl = Url("wss:", "ws:")

const finiteDuration = 'a finite, positive duration such as "10 seconds"'

/** A finite duration above zero. */
export const Wait = Schema.declare<Duration.Input>(
  // The types that Duration.fromInput takes. It also parses strings; the check below rejects those that it cannot.
  (input): input is Duration.Input =>
    Duration.isDuration(input) ||
    Predicate.isNumber(input) ||
    Predicate.isBigInt(input) ||
    Predicate.isString(input) ||
    Predicate.isObjectOrArray(input),
  { expected: finiteDuration }
)
  .check(
    Schema.makeFilter(
      (input) =>
        Option.exists(
          Duration.fromInput(input),
          (duration) => Duration.isFinite(duration) && Duration.isPositive(duration)
        ),
      { expected: finiteDuration }
    )
  )
  .pipe(
    Schema.decodeTo(Schema.Duration, {
      decode: SchemaGetter.transform(Duration.fromInputUnsafe),
      encode: SchemaGetter.passthroughSupertype()
    })
  )

/** Waits between attempts to connect. */
export const Reconnect = Schema.declare<Schedule.Schedule<unknown, GatewayError>>(
  (input): input is Schedule.Schedule<unknown, GatewayError> => Schedule.isSchedule(input),
  { expected: "a Schedule" }
)
