/**
 * Injected faults and their remaining counts.
 */
import type { Fault, Host } from "./Fault.ts"

/** Point of the protocol at which a fault applies. */
type FaultPoint = Fault["at"]

/** Fault at a given point. */
export type FaultAt<At extends FaultPoint> = Extract<Fault, { readonly at: At }>

/** Host and shard at a point of the protocol, matched against the faults. */
export interface Passer {
  readonly host?: Host
  readonly shard?: number | undefined
}

interface Standing {
  readonly fault: Fault
  left: number
}

/** Faults in effect. Of several that match, the one that was injected first applies. */
export class StandingFaults {
  private standing: ReadonlyArray<Standing> = []

  get all(): ReadonlyArray<Fault> {
    return this.standing.map(({ fault }) => fault)
  }

  inject(faults: ReadonlyArray<Fault>): void {
    const added = faults.map((fault) => ({ fault, left: fault.times ?? Infinity }))
    this.standing = [...this.standing, ...added].filter(({ left }) => left > 0)
  }

  lift(fault: Fault): void {
    this.standing = this.standing.filter((standing) => standing.fault !== fault)
  }

  clear(): void {
    this.standing = []
  }

  /** Takes the first fault that matches, and counts it as applied. */
  meet<At extends FaultPoint>(at: At, passer: Passer = {}): FaultAt<At> | undefined {
    for (const standing of this.standing) {
      const { fault } = standing
      if (isAt(fault, at) && concerns(fault, passer)) {
        standing.left -= 1
        if (standing.left <= 0) this.standing = this.standing.filter((other) => other !== standing)
        return fault
      }
    }
    return undefined
  }
}

const isAt = <At extends FaultPoint>(fault: Fault, at: At): fault is FaultAt<At> => fault.at === at

const concerns = (fault: Fault, passer: Passer): boolean =>
  fault.at === "http" ||
  ((fault.host === undefined || fault.host === passer.host) &&
    (fault.at === "dial" || fault.shard === undefined || fault.shard === passer.shard))
