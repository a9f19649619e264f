/**
 * What is wrong with an option, from the issue that its schema reports: where, and in one sentence what it takes instead.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"

/** The first thing that is wrong. */
export interface OptionIssue {
  /** The option's name, or the names that lead to it: `timeouts.hello`. Empty for a value by itself. */
  readonly option: string
  readonly description: string
}

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** The first thing that an issue tells. */
export const describeIssue = (issue: SchemaIssue.Issue): OptionIssue => {
  const [first] = format(issue).issues
  const names = (first?.path ?? []).map((segment) => String(Predicate.isObject(segment) ? segment.key : segment))
  return { option: names.join("."), description: first?.message ?? "the value cannot be used" }
}

/** Decodes by a schema. The description shows the value, which may be a secret: see `concealToken`. */
export const decodeOption =
  <A>(schema: Schema.ConstraintCodec<A, unknown>) =>
  (input: unknown): Result.Result<A, OptionIssue> =>
    Result.mapError(SchemaParser.decodeUnknownResult(schema)(input, { reportInput: true }), describeIssue)
