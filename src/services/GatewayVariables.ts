/**
 * Options from environment variables, or from any other `ConfigProvider`.
 *
 * A blank variable counts as unset. An error names the variable and never shows a token.
 */
import * as Config from "effect/Config"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import { parseIntents } from "../schema/Intents.ts"
import { parseShards } from "../schema/ShardSelection.ts"
import * as GatewayOption from "./GatewayOption.ts"
import { decodeOption } from "./OptionIssue.ts"
import { concealToken } from "./TokenConcealment.ts"

/** Parser of text that fails with a message. */
type Read<A> = (text: string) => Result.Result<A, string>

/** Optional variable. Its error messages do not show `token`. */
const variable =
  <A>(schema: Schema.ConstraintCodec<A, unknown>, read: Read<A>) =>
  (name: string, token: string): Config.Config<A | undefined> =>
    Config.schema(
      Schema.UndefinedOr(Schema.String).pipe(
        Schema.decodeTo(Schema.UndefinedOr(Schema.toType(schema)), {
          decode: GatewayOption.parse((text: string | undefined) =>
            text === undefined || text.trim() === ""
              ? Result.succeed(undefined)
              : Result.mapError(read(text), (message) => concealToken(message, token))
          ),
          encode: SchemaGetter.forbidden(() => "variables are only read")
        })
      ),
      name
    )

/** Parser by an option's schema. */
const by =
  <A>(schema: Schema.ConstraintCodec<A, unknown>, valueOf: (text: string) => unknown = (text) => text): Read<A> =>
  (text) =>
    Result.mapError(decodeOption(schema)(valueOf(text)), ({ description }) => description)

/** The number for decimal digits; other text unchanged, for the schema to reject. */
const fromDigits = (text: string): unknown => (/^\d+$/.test(text.trim()) ? Number(text) : text)

const booleans: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["false", false]
])

/** Names of intents, or a bit field. */
export const intents = variable(Schema.Int, parseIntents)

/** `auto`, `4`, or `2,3/4` for two of four. */
export const shards = variable(Schema.toEncoded(GatewayOption.Shards), parseShards)

/** A compression by its name. */
export const compression = variable(GatewayOption.Compression, by(GatewayOption.Compression))

/** An integer. */
export const largeThreshold = variable(Schema.Int, by(GatewayOption.LargeThreshold, fromDigits))

/** An integer. */
export const identifyReserve = variable(Schema.Int, by(GatewayOption.IdentifyReserve, fromDigits))

/** `true` or `false`. */
export const keepIdentifies = variable(
  Schema.Boolean,
  by(Schema.Boolean, (text) => booleans.get(text.trim().toLowerCase()) ?? text)
)

/** A URL. */
export const apiUrl = variable(Schema.String, by(GatewayOption.ApiUrl))

/** A URL. */
export const gatewayUrl = variable(Schema.String, by(GatewayOption.GatewayUrl))
