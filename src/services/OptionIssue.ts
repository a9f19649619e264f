/**
 * Issue of an option: its path and a one-sentence description, from the schema's own issue.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"

/** The first issue of an option. */
export interface OptionIssue {
  /** Path of the option, such as `timeouts.hello`. Empty for a single value. */
  readonly option: string
  readonly description: string
}

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** The first issue of a schema's issue tree. */
export const describeIssue = (issue: SchemaIssue.Issue): OptionIssue => {
  const [first] = format(issue).issues
  const names = (first?.path ?? []).map((segment) => String(Predicate.isObject(segment) ? segment.key : segment))
  return { option: names.join("."), description: first?.message ?? "the value cannot be used" }
}

/** Decoder of a schema. The description shows the value, which may be a secret: see `concealToken`. */
export const decodeOption =
  <A>(schema: Schema.ConstraintCodec<A, unknown>) =>
  (input: unknown): Result.Result<A, OptionIssue> =>
    Result.mapError(SchemaParser.decodeUnknownResult(schema)(input, { reportInput: true }), describeIssue)
