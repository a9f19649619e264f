/**
 * Lease of a shard: whether this process may act for it at this moment.
 *
 * In a cluster another machine takes a shard whose owner is not heard of. An owner that was paused does not know how long it
 * was away, so it asks its lease before each payload that it hands out and before it connects.
 */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as MonotonicTime from "./MonotonicTime.ts"

/**
 * The lease of a shard.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lease {
  /** Whether the process may act for the shard. Asked for every payload. */
  readonly isHeld: () => boolean
  /** Waits until it may. */
  readonly held: Effect.Effect<void>
  /** Whether it was confirmed by a question that was sent at this time or later, in milliseconds of monotonic time. */
  readonly isConfirmedSince: (time: number) => boolean
}

/** Lease of a process that shares its shards with no other. */
export const permanent: Lease = { isHeld: () => true, held: Effect.void, isConfirmedSince: () => true }

/** The lease of the gateway's shards; without one they are this process's alone. */
export const ShardLease: Context.Reference<Lease> = Context.Reference<Lease>("disruption-gateway/services/ShardLease", {
  defaultValue: () => permanent
})

/** A moment on both clocks, in milliseconds: the monotonic one stands still while a computer sleeps, the other may be set. */
export interface Moment {
  readonly monotonic: number
  readonly wall: number
}

/** The present moment. */
export const momentOf = (clock: Clock.Clock): Moment => ({
  monotonic: MonotonicTime.of(clock),
  wall: clock.currentTimeMillisUnsafe()
})

/** Share of a lease's time that its holder uses. The rest is for what it has begun, and for clocks that run apart. */
export const usableShare = 2 / 3

/** A lease that ends by itself unless it is confirmed again. */
export class TimedLease implements Lease {
  private readonly clock: Clock.Clock
  /** Milliseconds from a confirmation to the end. */
  private readonly time: number
  private confirmed: Moment | undefined
  private renewed = Latch.makeUnsafe(false)

  constructor(clock: Clock.Clock, time: number) {
    this.clock = clock
    this.time = time
  }

  /** Confirms it as of the moment at which the question was sent that the answer confirms. */
  confirm(asked: Moment): void {
    this.confirmed = asked
    const { renewed } = this
    this.renewed = Latch.makeUnsafe(false)
    renewed.openUnsafe()
  }

  /** Ends it at once. */
  end(): void {
    this.confirmed = undefined
  }

  readonly isHeld = (): boolean => {
    const { clock, confirmed, time } = this
    return (
      confirmed !== undefined &&
      MonotonicTime.of(clock) - confirmed.monotonic < time &&
      clock.currentTimeMillisUnsafe() - confirmed.wall < time
    )
  }

  readonly isConfirmedSince = (time: number): boolean =>
    this.confirmed !== undefined && this.confirmed.monotonic >= time

  readonly held: Effect.Effect<void> = Effect.suspend(() =>
    this.isHeld() ? Effect.void : Effect.flatMap(this.renewed.await, () => this.held)
  )
}
