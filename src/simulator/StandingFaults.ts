/**
 * The faults that stand at the moment, and how often each is still to be met.
 */
import type { Fault, FaultAt, FaultPoint, Host } from "./Fault.ts"

/** Who has come to a point at which something may go wrong. */
export interface Passer {
  readonly host?: Host
  readonly shard?: number | undefined
}

interface Standing {
  readonly fault: Fault
  left: number
}

/** The faults that stand at the moment. Of two that concern the same, the one that was injected first is met first. */
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

  /** The fault that is met at this point by this passer, if any: it counts as met. */
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
