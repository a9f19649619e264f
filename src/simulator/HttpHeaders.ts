/**
 * Headers of an HTTP answer that a fault gives in place of the regular one.
 */
import * as Duration from "effect/Duration"
import type { HttpAnswer } from "./Fault.ts"

/** The headers of the answer, with `retry-after` in whole seconds. */
export const headersOf = ({ headers, retryAfter }: HttpAnswer): Readonly<Record<string, string>> => ({
  ...(retryAfter === undefined
    ? {}
    : { "retry-after": String(Math.ceil(Duration.toSeconds(Duration.fromInputUnsafe(retryAfter)))) }),
  ...headers
})
