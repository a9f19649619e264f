/**
 * Gateways whose dispatches wait for the broker: why is told once, and again when none waits any more.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Gateway } from "../gateway/Gateway.ts"
import { durationText } from "../schema/DurationText.ts"
import * as MonotonicTime from "../services/MonotonicTime.ts"

/** The broker holds as much as it may, or does not answer. */
type Kind = "away" | "full"

export class HeldGateways {
  private readonly gateways = new Map<Gateway["Service"], Kind>()
  private told: string | undefined

  /** Why nothing is written, in words; undefined while everything is. */
  get why(): string | undefined {
    return this.told
  }

  /** A gateway waits. */
  hold(gateway: Gateway["Service"], kind: Kind, why: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      const isTold = [...this.gateways.values()].includes(kind)
      this.gateways.set(gateway, kind)
      if (isTold) return Effect.void
      this.told = why
      return Effect.logWarning(why)
    })
  }

  /** Writing that began at this moment has come to its end. */
  letGo(gateway: Gateway["Service"], since: number): Effect.Effect<void> {
    if (!this.gateways.has(gateway)) return Effect.void
    this.remove(gateway)
    if (this.gateways.size > 0) return Effect.void
    return Effect.flatMap(MonotonicTime.now, (now) =>
      Effect.logInfo(`Writing to the broker again after ${durationText(Duration.millis(now - since))}`)
    )
  }

  /** A gateway is no more. */
  remove(gateway: Gateway["Service"]): void {
    this.gateways.delete(gateway)
    if (this.gateways.size === 0) this.told = undefined
  }
}
