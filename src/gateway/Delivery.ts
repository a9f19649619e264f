/**
 * A payload in the hands of a program, to be acknowledged when it is handled.
 */
import type * as Effect from "effect/Effect"
import type { Payload } from "../schema/Payload.ts"

/**
 * A payload that counts as handled when `ack` has run, in whatever order: the mark that a restart resumes from moves over
 * acknowledged payloads only. So a stream of deliveries may be merged, buffered, grouped, broadcast or put into a queue.
 *
 * ```ts
 * gateway.deliveries.pipe(
 *   Stream.buffer({ capacity: 100 }),
 *   Stream.mapEffect(({ ack, payload }) => Effect.andThen(handle(payload), ack), { concurrency: 16 }),
 *   Stream.runDrain
 * )
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export interface Delivery {
  readonly payload: Payload
  /**
   * Whether the payload was perhaps handed out before: by a process that did not end in peace, or in this one to a subscriber
   * that did not acknowledge it.
   */
  readonly redelivered: boolean
  /**
   * Count of times that it was handed out, this one included, as far as that is known: 1 the first time. After a crash an upper bound,
   * the same for the whole replay.
   */
  readonly attempts: number
  /** The payload is handled. Running it again does nothing. */
  readonly ack: Effect.Effect<void>
  /** The payload is not handled: it is handed out again, before those that come after it. */
  readonly nack: Effect.Effect<void>
}
