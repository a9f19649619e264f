/**
 * One direction of a simulated network connection: what is put in comes out after the latency, in the same order.
 */
import { constVoid } from "effect/Function"
import type { Timers } from "./Timers.ts"

/** One direction of a connection. */
export class Link<A> {
  private readonly timers: Timers
  private readonly latency: number
  private readonly arrive: (item: A) => void
  private travelling: Array<{ readonly at: number; readonly item: A }> = []
  /** How many at the head of `travelling` have arrived. */
  private arrived = 0
  private isPaused = false
  private isCut = false
  private disarm = constVoid
  private isArmed = false

  constructor(timers: Timers, latency: number, arrive: (item: A) => void) {
    this.timers = timers
    this.latency = latency
    this.arrive = arrive
  }

  put(item: A): void {
    if (this.isCut) return
    this.travelling.push({ at: this.timers.now() + this.latency, item })
    this.arm()
  }

  /** Nothing arrives until {@link resume}: it piles up. */
  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    if (!this.isPaused) return
    this.isPaused = false
    this.arm()
  }

  /** What travels need not wait for the latency: it arrives at once, though never before this has returned. */
  hurry(): void {
    const now = this.timers.now()
    this.travelling = this.travelling.slice(this.arrived).map(({ item }) => ({ at: now, item }))
    this.arrived = 0
    this.disarm()
    this.arm(0)
  }

  /** Nothing arrives any more. */
  cut(): void {
    this.isCut = true
    this.disarm()
    this.travelling = []
    this.arrived = 0
  }

  private arm(soonest: 0 | 1 = 1): void {
    const next = this.travelling[this.arrived]
    if (next === undefined || this.isArmed || this.isPaused) return
    // What has piled up comes a millisecond after a resumption: a sleep, so that a TestClock knows of it.
    const wait = this.latency === 0 ? 0 : Math.max(soonest, next.at - this.timers.now())
    const callOff = this.timers.after(wait, () => this.deliver())
    this.isArmed = true
    this.disarm = () => {
      this.isArmed = false
      callOff()
    }
  }

  private deliver(): void {
    this.isArmed = false
    const now = this.timers.now()
    for (let next = this.travelling[this.arrived]; next !== undefined; next = this.travelling[this.arrived]) {
      if (this.isPaused || next.at > now) break
      this.arrived += 1
      this.arrive(next.item)
    }
    if (this.arrived > 1024 || this.arrived === this.travelling.length) {
      this.travelling = this.travelling.slice(this.arrived)
      this.arrived = 0
    }
    this.arm()
  }
}
