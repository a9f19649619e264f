/**
 * Retry-After of an HTTP answer (RFC 9110, 10.2.3): a number of seconds, or a date.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/** Headers of an answer. */
export interface ResponseHeaders {
  readonly [name: string]: string | undefined
}

/** Longest wait that a peer may impose: an answer that names a year must not end a bot. */
export const longestRetryAfter = Duration.hours(1)

/**
 * The wait that the headers ask for, an hour at most. None without a readable Retry-After. A date counts from the answer's own
 * `Date`, or else from `now` (milliseconds since the epoch): our clock may be wrong.
 */
export const readRetryAfter = (headers: ResponseHeaders, now: number): Option.Option<Duration.Duration> => {
  const text = headers["retry-after"]?.trim() ?? ""
  if (/^\d+(\.\d+)?$/.test(text)) return Option.some(retryAfterSeconds(Number(text)))
  return Option.map(epochMillis(text), (at) =>
    retryAfterSeconds((at - Option.getOrElse(epochMillis(headers["date"] ?? ""), () => now)) / 1000)
  )
}

/** A wait of so many seconds, within the cap. */
export const retryAfterSeconds = (seconds: number): Duration.Duration =>
  Duration.min(Duration.seconds(Math.max(0, seconds)), longestRetryAfter)

/** Dates begin with the name of a day; `Date` would also take a bare year. */
const epochMillis = (text: string): Option.Option<number> =>
  /^[A-Za-z]{3}/.test(text) ? Option.map(DateTime.make(text), DateTime.toEpochMillis) : Option.none()
