/**
 * FIFO queue with latency: one direction of a simulated network connection.
 */
import { constVoid } from "effect/Function"
import type { Timers } from "./Timers.ts"

/** FIFO queue whose items arrive after the latency, in order. */
export class Link<A> {
  private readonly timers: Timers
  private readonly latency: number
  private readonly arrive: (item: A) => void
  private travelling: Array<{ readonly at: number; readonly item: A }> = []
  /** Number of arrived items at the head of `travelling`. */
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

  /** Holds items back until `resume`. */
  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    if (!this.isPaused) return
    this.isPaused = false
    this.arm()
  }

  /** Delivers all queued items without latency, asynchronously. */
  hurry(): void {
    const now = this.timers.now()
    this.travelling = this.travelling.slice(this.arrived).map(({ item }) => ({ at: now, item }))
    this.arrived = 0
    this.disarm()
    this.arm(0)
  }

  /** Discards all items, queued and future. */
  cut(): void {
    this.isCut = true
    this.disarm()
    this.travelling = []
    this.arrived = 0
  }

  private arm(soonest: 0 | 1 = 1): void {
    const next = this.travelling[this.arrived]
    if (next === undefined || this.isArmed || this.isPaused) return
    // Items held back arrive 1 ms after `resume`, by a sleep that a TestClock sees.
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
