/**
 * Requests for guild members that are being answered: each has a nonce of its own, by which its chunks are told apart.
 *
 * Discord, "Request Guild Members": https://discord.com/developers/docs/events/gateway-events#request-guild-members
 */
import type { GatewayGuildMembersChunkDispatchData, GatewayRequestGuildMembersData } from "discord-api-types/v10"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { GatewayError } from "../schema/GatewayError.ts"
import { SendTimeout } from "../schema/SendError.ts"
import { isDispatch, type Payload } from "../schema/Payload.ts"
import { SendEvent } from "../schema/SendEvent.ts"

/**
 * A part of the answer.
 *
 * @since 0.1.0
 * @category models
 */
export type MembersChunk = GatewayGuildMembersChunkDispatchData

/**
 * A request for members: op 8 without a nonce, which the gateway chooses.
 *
 * @since 0.1.0
 * @category models
 */
export type MembersRequest = GatewayRequestGuildMembersData extends infer R
  ? R extends unknown
    ? Omit<R, "nonce">
    : never
  : never

/** Watches the dispatches for answers. */
export interface MemberRequests {
  /** Takes a dispatch, which may be a chunk of an answer. */
  readonly onDispatch: (payload: Payload) => void
  /** Sends the request, and streams the chunks of the answer. */
  readonly request: (
    request: MembersRequest,
    options: {
      readonly send: (event: SendEvent) => Effect.Effect<void, GatewayError>
      /** Time for the next chunk. */
      readonly timeout: Duration.Duration
    }
  ) => Stream.Stream<MembersChunk, GatewayError>
}

/** Event of a request. */
type News =
  | { readonly _tag: "Chunk"; readonly chunk: MembersChunk }
  | { readonly _tag: "RateLimited"; readonly retryAfter: Duration.Duration }
  /** The session in which it was asked is gone, and the rest of the answer with it. */
  | { readonly _tag: "SessionLost" }

/** The fields of a chunk that are read here, of which others may be anything. */
const isChunk = Schema.is(
  Schema.Struct({
    chunk_index: Schema.Int,
    chunk_count: Schema.Int,
    members: Schema.Array(Schema.Struct({ user: Schema.Struct({ id: Schema.String }) })),
    nonce: Schema.optional(Schema.String)
  })
)

/** The fields of RATE_LIMITED that are read here. */
const isRateLimit = Schema.is(
  Schema.Struct({
    retry_after: Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)),
    meta: Schema.Struct({ nonce: Schema.optional(Schema.String) })
  })
)

/** Makes the pending requests, none yet. */
export const make = (): MemberRequests => {
  const pending = new Map<string, { readonly news: Queue.Queue<News>; shard: number | undefined }>()

  const onDispatch = (payload: Payload) => {
    if (pending.size === 0) return
    if (isDispatch(payload, "GUILD_MEMBERS_CHUNK")) {
      // An answer of another shape is none: the request is asked again, or ends in time.
      if (!isChunk(payload.d)) return
      const request = pending.get(payload.d.nonce ?? "")
      if (request === undefined) return
      request.shard = payload.shard
      Queue.offerUnsafe(request.news, { _tag: "Chunk", chunk: payload.d })
    } else if (isDispatch(payload, "RATE_LIMITED")) {
      if (!isRateLimit(payload.d)) return
      const { meta, retry_after } = payload.d
      const request = pending.get(meta.nonce ?? "")
      if (request === undefined) return
      Queue.offerUnsafe(request.news, { _tag: "RateLimited", retryAfter: Duration.seconds(retry_after) })
    } else if (payload.t === "READY") {
      for (const { news, shard } of pending.values()) {
        if (shard === payload.shard || shard === undefined) Queue.offerUnsafe(news, { _tag: "SessionLost" })
      }
    }
  }

  const register = Effect.gen(function* () {
    const nonce = (yield* Random.nextIntBetween(0, 2 ** 48)).toString(36)
    const news = yield* Queue.unbounded<News>()
    pending.set(nonce, { news, shard: undefined })
    yield* Effect.addFinalizer(() => Effect.sync(() => pending.delete(nonce)))
    return { nonce, news }
  })

  const request: MemberRequests["request"] = (wanted, { send, timeout }) =>
    Stream.unwrap(
      Effect.gen(function* (): Effect.fn.Return<Stream.Stream<MembersChunk, GatewayError>, GatewayError, Scope.Scope> {
        const { news, nonce } = yield* register
        const event = SendEvent.requestGuildMembers({ ...wanted, nonce } as GatewayRequestGuildMembersData)
        yield* send(event)
        const seen = new Set<string>()
        let complete = false

        const next: Effect.Effect<Option.Option<MembersChunk>, GatewayError> = Effect.gen(function* () {
          if (complete) return Option.none()
          const arrived = yield* Effect.timeoutOrElse(Queue.take(news), {
            duration: timeout,
            orElse: () =>
              Effect.fail(new GatewayError({ reason: new SendTimeout({ after: timeout, what: "answered" }) }))
          })
          switch (arrived._tag) {
            case "RateLimited":
              yield* Effect.sleep(arrived.retryAfter)
              yield* send(event)
              return yield* next
            case "SessionLost":
              yield* send(event)
              return yield* next
            case "Chunk": {
              const { chunk } = arrived
              complete = chunk.chunk_index === chunk.chunk_count - 1
              // After a second request the members that came with the first one are left out.
              const members = chunk.members.filter(({ user }) => !seen.has(user.id))
              for (const { user } of members) seen.add(user.id)
              return Option.some({ ...chunk, members })
            }
          }
        })
        return Stream.unfold(undefined, () =>
          Effect.map(next, Option.match({ onNone: () => undefined, onSome: (chunk) => [chunk, undefined] as const }))
        )
      })
    )

  return { onDispatch, request }
}
