/**
 * GET /gateway/bot: the gateway's URL, and the IDENTIFY budget less the IDENTIFYs sent since the answer.
 *
 * Cache: the URL until connecting to it fails, the rest for as long as the caller allows. With a configured
 * `gatewayUrl` no request is made.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { durationText } from "../schema/DurationText.ts"
import {
  DirectoryMalformed,
  DirectoryRateLimited,
  DirectoryRejected,
  DirectoryUnreachable
} from "../schema/DirectoryError.ts"
import { AuthenticationFailed } from "../schema/FatalError.ts"
import { GatewayError, type GatewayErrorReason } from "../schema/GatewayError.ts"
import { GatewayInfo } from "../schema/GatewayInfo.ts"
import type { IdentifyBudget } from "../schema/IdentifyBudget.ts"
import { userAgent } from "../version.ts"
import { DirectoryVerdict } from "./DirectoryVerdict.ts"
import { GatewayConfig } from "./GatewayConfig.ts"
import * as MonotonicTime from "./MonotonicTime.ts"
import { bodyOf, maxBody } from "./ResponseBody.ts"
import { readRetryAfter, retryAfterSeconds } from "./RetryAfter.ts"
import { maskOf } from "./TokenConcealment.ts"

/**
 * An answer of GET /gateway/bot with its time.
 *
 * @category models
 * @since 0.1.0
 */
export interface DirectoryAnswer {
  readonly info: GatewayInfo
  readonly at: DateTime.Utc
  /** Milliseconds of the monotonic clock, which setting the wall clock does not move. */
  readonly monotonicAt: number
}

/**
 * Finds the gateway, and counts the day's IDENTIFYs.
 *
 * @category services
 * @since 0.1.0
 */
export class GatewayDirectory extends Context.Service<
  GatewayDirectory,
  {
    /**
     * A new answer. Fails with `AuthenticationFailed` (401), `DirectoryRateLimited` (429), `DirectoryRejected` (any
     * other status), `DirectoryUnreachable` (no answer) or `DirectoryMalformed`.
     *
     * Once Discord has taken the token, a 401 or 404 is fatal only when it was the answer ten times in a row, over half an
     * hour at least; before that it is a `DirectoryRejected` that is asked again. A Retry-After is kept: a request within it
     * fails at once.
     */
    readonly fetch: Effect.Effect<DirectoryAnswer, GatewayError>
    /** The last answer up to this age, otherwise a new one. None with a configured `gatewayUrl`. */
    readonly recent: (maxAge: Duration.Duration) => Effect.Effect<Option.Option<DirectoryAnswer>, GatewayError>
    /** The budget by the last answer of any age, without a request. None before the first answer. */
    readonly budget: () => Option.Option<IdentifyBudget>
    /** Takes one IDENTIFY from the budget. Call it before sending one. */
    readonly countIdentify: Effect.Effect<void>
    /** The main gateway URL, without a query: the configured one, or that of the last answer. */
    readonly url: Effect.Effect<string, GatewayError>
    /** Marks the URL as failed: the next `url` makes a request, and falls back to this URL if that fails. */
    readonly invalidateUrl: Effect.Effect<void>
    /** Discord has taken the token: the bot became READY or RESUMED. From now on a refusal counts only when it stays. */
    readonly confirm: Effect.Effect<void>
  }
>()("disruption-gateway/services/GatewayDirectory") {
  static readonly layer: Layer.Layer<GatewayDirectory, never, GatewayConfig | HttpClient.HttpClient> = Layer.effect(
    GatewayDirectory,
    Effect.gen(function* () {
      const config = yield* GatewayConfig
      const client = yield* HttpClient.HttpClient
      const clock = yield* Clock.Clock
      // Single-flight: one request answers all shards that ask at the same time.
      const oneAtATime = yield* Semaphore.make(1)
      let last: DirectoryAnswer | undefined
      let url = config.gatewayUrl
      /** Monotonic times of the IDENTIFYs that the last answer may not have counted. */
      let identifies: Array<number> = []
      /** Set by `invalidateUrl`, until the next answer. */
      let doubtful = false

      const verdict = new DirectoryVerdict(new URL(config.apiUrl).host)

      const ask = request(client, config).pipe(
        Effect.catch(({ reason }) => Effect.flatMap(MonotonicTime.now, (now) => fail(verdict.judge(reason, now)))),
        Effect.zip(DateTime.now),
        Effect.map(([info, at]): DirectoryAnswer => {
          const answer = { info, at, monotonicAt: MonotonicTime.of(clock) }
          last = answer
          verdict.accept()
          if (config.gatewayUrl === undefined) url = info.url
          doubtful = false
          return answer
        })
      )
      const fetch = Effect.flatMap(MonotonicTime.now, (now) => {
        const refusal = verdict.refusal(now)
        return refusal === undefined ? ask : fail(refusal)
      })

      /** Single-flight cache: the known value, or the result of one request for all that wait. */
      const kept = <A>(known: Effect.Effect<A | undefined>, findOut: Effect.Effect<A, GatewayError>) => {
        const orElse = (otherwise: Effect.Effect<A, GatewayError>) =>
          Effect.filterOrElse(known, Predicate.isNotUndefined, () => otherwise)
        return orElse(oneAtATime.withPermits(1)(orElse(findOut)))
      }
      const recentAnswer = (maxAge: Duration.Duration) =>
        Effect.map(DateTime.now, (now) => {
          if (last === undefined) return undefined
          // The older of both: the monotonic clock stands still while a machine sleeps.
          const age = Duration.max(
            Duration.millis(MonotonicTime.of(clock) - last.monotonicAt),
            DateTime.distance(last.at, now)
          )
          return Duration.isLessThanOrEqualTo(age, maxAge) ? last : undefined
        })

      return GatewayDirectory.of({
        fetch,
        recent: (maxAge) =>
          config.gatewayUrl !== undefined ? Effect.succeedNone : Effect.asSome(kept(recentAnswer(maxAge), fetch)),
        budget: () =>
          Option.map(Option.fromUndefinedOr(last), (answer) => {
            const { session_start_limit: limit } = answer.info
            const since = answer.monotonicAt - Duration.toMillis(uncertainFor)
            identifies = identifies.filter((identify) => identify > since)
            return {
              total: limit.total,
              remaining: Math.max(0, limit.remaining - identifies.length),
              resetAt: timeAfter(clock, answer, Duration.millis(limit.reset_after))
            }
          }),
        countIdentify: Effect.map(MonotonicTime.now, (now) => void identifies.push(now)),
        url: kept(
          Effect.sync(() => (doubtful ? undefined : url)),
          Effect.suspend(() => {
            const known = url
            const asked = Effect.map(fetch, ({ info }) => info.url)
            if (known === undefined) return asked
            return Effect.catchIf(
              asked,
              (error) => error.recovery !== "fatal",
              () => Effect.succeed(known)
            )
          })
        ),
        invalidateUrl: Effect.sync(() => {
          doubtful = config.gatewayUrl === undefined
        }),
        confirm: Effect.sync(() => verdict.confirm())
      })
    })
  )
}

/** The time so long after an answer, by the wall clock as it is set now. */
export const timeAfter = (
  clock: Clock.Clock,
  { monotonicAt }: DirectoryAnswer,
  duration: Duration.Duration
): DateTime.Utc =>
  DateTime.makeUnsafe(
    Math.round(clock.currentTimeMillisUnsafe() + Duration.toMillis(duration) - (MonotonicTime.of(clock) - monotonicAt))
  )

/**
 * Uncertainty window: IDENTIFYs sent this shortly before an answer may be missing from its count, so they count again.
 */
const uncertainFor = Duration.seconds(15)

/** Browsers name themselves, and do not let a program do it. */
const isBrowser = "navigator" in globalThis && globalThis.navigator.userAgent.startsWith("Mozilla/")

const fail = (reason: GatewayErrorReason) => Effect.fail(new GatewayError({ reason }))

const request = (client: HttpClient.HttpClient, config: GatewayConfig["Service"]) => {
  const mask = maskOf(config.token)
  const { host } = new URL(config.apiUrl)
  // The error has neither the request, whose header has the token, nor the cause.
  const unreachable = (error: HttpClientError.HttpClientError) =>
    new GatewayError({
      reason: new DirectoryUnreachable({
        host,
        description: mask(error.reason.description ?? describeCause(error.cause))
      })
    })

  const read = Effect.fnUntraced(function* (response: HttpClientResponse.HttpClientResponse) {
    switch (response.status) {
      case 200:
        return yield* Effect.matchEffect(Effect.flatMap(bodyOf(response), decodeInfo), {
          onSuccess: (info) =>
            mask(info.url) === info.url
              ? Effect.succeed(info)
              : fail(new DirectoryMalformed({ description: "its url has the bot's token in it" })),
          onFailure: (error) =>
            fail(
              new DirectoryMalformed({
                description: Predicate.isTagged(error, "BodyTooLarge")
                  ? `it is over ${maxBody} bytes`
                  : "it is not what Discord documents"
              })
            )
        })
      case 401:
        return yield* fail(new AuthenticationFailed())
      case 429:
        return yield* fail(new DirectoryRateLimited({ retryAfter: yield* rateLimitOf(response) }))
      default:
        return yield* fail(
          new DirectoryRejected({
            status: response.status,
            host,
            ...Option.match(readRetryAfter(response.headers, yield* Clock.currentTimeMillis), {
              onNone: () => ({}),
              onSome: (retryAfter) => ({ retryAfter })
            })
          })
        )
    }
  })

  return HttpClientRequest.get(`${config.apiUrl}/gateway/bot`).pipe(
    HttpClientRequest.setHeaders({
      authorization: `Bot ${Redacted.value(config.token)}`,
      ...(isBrowser ? {} : { "user-agent": userAgent })
    }),
    HttpClient.withScope(client).execute,
    Effect.mapError(unreachable),
    Effect.flatMap(read),
    // The rest of the answer is dropped with its connection.
    Effect.scoped,
    Effect.timeoutOrElse({
      duration: config.timeouts.directory,
      orElse: () =>
        fail(
          new DirectoryUnreachable({
            host,
            description: `no answer within ${durationText(config.timeouts.directory)}`
          })
        )
    }),
    // No trace headers for Discord.
    Effect.provideService(HttpClient.TracerPropagationEnabled, false)
  )
}

const decodeInfo = Schema.decodeUnknownEffect(Schema.fromJsonString(GatewayInfo))

const RateLimitBody = Schema.fromJsonString(Schema.Struct({ retry_after: Schema.Finite }))

/** The wait: in Discord's body, which is exact, or in the header of a proxy's answer; a second without either. */
const rateLimitOf = (response: HttpClientResponse.HttpClientResponse) =>
  bodyOf(response).pipe(
    Effect.flatMap(Schema.decodeUnknownEffect(RateLimitBody)),
    Effect.map((body) => retryAfterSeconds(body.retry_after)),
    Effect.catch(() =>
      Effect.map(Clock.currentTimeMillis, (now) =>
        Option.getOrElse(readRetryAfter(response.headers, now), () => Duration.seconds(1))
      )
    )
  )

const describeCause = (cause: unknown): string => {
  if (!(cause instanceof Error)) return "the request failed"
  return cause.cause instanceof Error ? `${cause.message} (${cause.cause.message})` : cause.message
}
