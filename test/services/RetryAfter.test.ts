import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { type ResponseHeaders, readRetryAfter } from "../../src/services/RetryAfter.ts"

const now = Date.UTC(2026, 9, 21, 7, 28)

describe("Retry-After", () => {
  const waits: ReadonlyArray<readonly [headers: ResponseHeaders, seconds: number | undefined]> = [
    [{ "retry-after": "120" }, 120],
    [{ "retry-after": " 1.5 " }, 1.5],
    [{ "retry-after": "0" }, 0],
    [{ "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT" }, 30],
    // Our clock is an hour off: the answer's own time counts.
    [{ "retry-after": "Wed, 21 Oct 2026 08:28:30 GMT", date: "Wed, 21 Oct 2026 08:28:00 GMT" }, 30],
    [{ "retry-after": "Tue, 20 Oct 2026 07:28:00 GMT" }, 0],
    [{ "retry-after": "99999999" }, 3600],
    [{ "retry-after": "Fri, 31 Dec 9999 23:59:59 GMT" }, 3600],
    [{ "retry-after": "soon" }, undefined],
    [{ "retry-after": "-5" }, undefined],
    [{ "retry-after": "" }, undefined],
    [{}, undefined]
  ]
  for (const [headers, seconds] of waits) {
    it(`${JSON.stringify(headers)} is ${seconds === undefined ? "none" : `${seconds} s`}`, () =>
      assert.strictEqual(Option.getOrUndefined(Option.map(readRetryAfter(headers, now), Duration.toSeconds)), seconds))
  }
})
