/**
 * Dispatches that are passed on as they came: in batches, with the text of their frames, which nobody has parsed.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type { GatewayError } from "../schema/GatewayError.ts"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import type { Payload } from "../schema/Payload.ts"
import { textOfPayload } from "../schema/UnparsedPayload.ts"
import type { DeliveryLog } from "./DeliveryLog.ts"
import type { Held } from "./Segment.ts"

/**
 * A dispatch that is passed on. Session, shard and sequence name it: after a crash it comes again under the same name.
 *
 * @since 0.1.0
 * @category models
 */
export interface Forwarded {
  /** Id of the session in which it came. */
  readonly session: string
  readonly shard: number
  readonly sequence: number
  /** Name of the event. */
  readonly name: string
  /** The whole frame, JSON. */
  readonly text: string
  /** The payload; its `d` is parsed when it is read. */
  readonly payload: Payload
}

/** Limit to the payloads of a batch. */
const batchSize = 1024

/** Passes on what comes until the log ends. */
export const run = <A, E, R>(
  log: DeliveryLog,
  write: (batch: Arr.NonEmptyReadonlyArray<Forwarded>) => Effect.Effect<A, E, R>
): Effect.Effect<never, GatewayError | E, R> =>
  Effect.scoped(
    Effect.flatMap(
      log.subscribe({ wanted: undefined, acknowledges: true, owner: write, passesOn: true }),
      (subscription) => {
        const acknowledge = (held: ReadonlyArray<Held>) => {
          for (const one of held) subscription.acknowledge(one)
        }
        const pass = (first: ReadonlyArray<Held>): Effect.Effect<unknown, E, R> => {
          const held = [...first]
          for (let more = subscription.poll(); more.length > 0; more = subscription.poll()) {
            held.push(...more)
            if (held.length >= batchSize) break
          }
          const batch = forwardedOf(held)
          return Arr.isReadonlyArrayNonEmpty(batch)
            ? Effect.map(write(batch), () => acknowledge(held))
            : Effect.sync(() => acknowledge(held))
        }
        return Effect.forever(Effect.flatMap(subscription.take, pass), { disableYield: true })
      }
    )
  )

/** The dispatches that Discord has named by a session and a sequence: nothing else can be told from its repetition. */
const forwardedOf = (held: ReadonlyArray<Held>): ReadonlyArray<Forwarded> => {
  const batch: Array<Forwarded> = []
  for (const { hold, payload } of held) {
    const { op, replayed, s: sequence, shard, t: name } = payload
    const { session } = hold.segment.mark
    if (op !== GatewayOpcode.Dispatch || sequence === null || name === null || session === undefined) continue
    if (replayed === true) continue
    batch.push({ session, shard, sequence, name, text: textOfPayload(payload), payload })
  }
  return batch
}
