/**
 * JSON of client payloads. Discord takes a snowflake as a number, too, which not every double can hold.
 */
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))

/** String literals, which are passed over, and integers of at least 16 digits: from there on a double may be another number. */
const stringOrLongInteger = /"(?:[^"\\]|\\.)*"|(?<![\d.eE+-])\d{16,20}(?![\d.eE])/g

/** Decodes JSON with integers of 16 to 20 digits as strings. */
export const decodeClientJson = (text: string): Option.Option<unknown> =>
  decode(text.replace(stringOrLongInteger, (found) => (found.startsWith('"') ? found : `"${found}"`)))

/** Snowflake of a client payload: a string of digits, or an integer. */
export const ClientSnowflake = Schema.Union([
  Schema.String.check(Schema.isPattern(/^\d{1,20}$/)),
  Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
])
