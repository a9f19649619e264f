/**
 * Defects that are put in by hand, to see that the simulation notices: each is one that a cluster could well have.
 */

/** The defects by their names. */
export const defects = {
  "lease-ignored": "what is handed out does not ask whether the lock is still the machine's",
  unfenced: "a session is stored without asking who has the shard",
  "foreign-clock": "locks are written and judged by the clocks of the machines",
  "late-hand-over": "the lock of a shard is given up before its session is stored",
  "limit-per-machine": "each machine keeps the limit of IDENTIFYs for itself",
  "renewed-while-hung": "something else than the machine's own loop renews its locks"
} as const

/** The name of a defect. */
export type Defect = keyof typeof defects

/** Whether this is one. */
export const isDefect = (name: string): name is Defect => name in defects
