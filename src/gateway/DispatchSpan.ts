/**
 * A span for each dispatch's handling, for programs that trace what they do with events.
 */
import * as Effect from "effect/Effect"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import type { Payload } from "../schema/Payload.ts"

/**
 * Runs the handling of a dispatch in a trace of its own, named `process MESSAGE_CREATE`, with the shard and the sequence as
 * attributes. Other payloads are handled without one. Costs nothing where it is not used.
 *
 * ```ts
 * Stream.runForEach(gateway.payloads, (payload) => handle(payload).pipe(withDispatchSpan(payload)))
 * ```
 *
 * @since 0.1.0
 * @category tracing
 */
export const withDispatchSpan =
  ({ op, s, shard, t }: Payload) =>
  <A, E, R>(handling: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    op !== GatewayOpcode.Dispatch || t === null
      ? handling
      : Effect.withSpan(handling, `process ${t}`, {
          root: true,
          kind: "consumer",
          captureStackTrace: false,
          attributes: {
            "messaging.system": "discord",
            "discord.shard.id": shard,
            "discord.event": t,
            ...(s === null ? {} : { "discord.sequence": s })
          }
        })
