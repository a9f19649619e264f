/**
 * The database of a simulated cluster: the list of machines, the locks with their times by its own clock, and the sessions with the
 * epochs of their owners. Each call is one step, as a statement is.
 */
import type { FencedTexts, FencedWrite, Taken } from "../../../src/services/FencedSessions.ts"

interface MachineRow {
  readonly runner: string
  readonly isHealthy: boolean
  readonly heardOf: number
}

interface LockRow {
  readonly machine: string
  readonly at: number
}

interface SessionRow {
  epoch: number
  session: string | undefined
}

/** What is taken from the database's promises, to see that the simulation notices. */
export interface DatabaseDefects {
  /** Writes of sessions are taken from any owner. */
  readonly unfenced: boolean
  /** Whether a lock has ended is judged by the time that the machine which asks for it says. */
  readonly foreignClock: boolean
}

interface Stored {
  readonly session?: { readonly id?: string; readonly sequence?: number }
}

/** Whether a session is written over a later state of itself. */
const isSetBack = (before: string | undefined, after: string | undefined): boolean => {
  if (before === undefined || after === undefined) return false
  const { session: old }: Stored = JSON.parse(before)
  const { session: fresh }: Stored = JSON.parse(after)
  return old?.id !== undefined && old.id === fresh?.id && (old.sequence ?? 0) > (fresh.sequence ?? 0)
}

/** The database. */
export class SimulatedDatabase {
  private readonly now: () => number
  private readonly lockTime: number
  private readonly defects: DatabaseDefects
  private readonly machines = new Map<string, MachineRow>()
  private readonly locks = new Map<string, LockRow>()
  private readonly sessions = new Map<string, SessionRow>()
  private readonly beside = new Map<string, Map<string, string>>()
  /** The machine that has taken a session last, by row. */
  readonly takers = new Map<string, string>()
  /** Sessions that were written with an earlier sequence than the store had. */
  setBack = 0
  private ids = 0

  /** `now` in milliseconds; a lock lasts for `lockTime`. */
  constructor(now: () => number, lockTime: number, defects: DatabaseDefects) {
    this.now = now
    this.lockTime = lockTime
    this.defects = defects
  }

  register(address: string, runner: string, isHealthy: boolean): number {
    this.machines.set(address, { runner, isHealthy, heardOf: this.now() })
    return this.ids++
  }

  unregister(address: string): void {
    this.machines.delete(address)
  }

  setHealth(address: string, isHealthy: boolean): void {
    const row = this.machines.get(address)
    if (row !== undefined) this.machines.set(address, { ...row, isHealthy })
  }

  /** The machines that were heard of within the time that locks last. */
  list(): Array<readonly [runner: string, isHealthy: boolean]> {
    return [...this.machines.values()]
      .filter(({ heardOf }) => heardOf > this.now() - this.lockTime)
      .map(({ isHealthy, runner }) => [runner, isHealthy] as const)
  }

  /** Takes locks that are free, have ended, or are the machine's own. `time` is that of the machine. */
  acquire(machine: string, locks: ReadonlyArray<string>, time: number): Array<string> {
    const now = this.defects.foreignClock ? time : this.now()
    const taken = locks.filter((lock) => {
      const row = this.locks.get(lock)
      return row === undefined || row.machine === machine || row.at < now - this.lockTime
    })
    for (const lock of taken) this.locks.set(lock, { machine, at: now })
    return taken
  }

  /** Renews the machine's own locks. */
  refresh(machine: string, locks: ReadonlyArray<string>, time: number): ReadonlyArray<string> {
    const row = this.machines.get(machine)
    if (row !== undefined) this.machines.set(machine, { ...row, heardOf: this.now() })
    const own = locks.filter((lock) => this.locks.get(lock)?.machine === machine)
    const now = this.defects.foreignClock ? time : this.now()
    for (const lock of own) this.locks.set(lock, { machine, at: now })
    return own
  }

  /** Renews whatever a machine has. */
  refreshAll(machine: string): void {
    this.refresh(machine, [...this.locks.keys()], this.now())
  }

  release(machine: string, lock: string): void {
    if (this.locks.get(lock)?.machine === machine) this.locks.delete(lock)
  }

  releaseAll(machine: string): void {
    for (const [lock, row] of this.locks) if (row.machine === machine) this.locks.delete(lock)
  }

  /**
   * Takes sessions over. A question that comes after its machine's lease has ended raises the epoch, too, but makes no owner: who
   * has the lock takes the session back.
   */
  take(machine: string, rows: ReadonlyArray<string>, isLate: boolean): ReadonlyMap<string, Taken> {
    return new Map(
      rows.map((name) => {
        const row = this.sessions.get(name) ?? { epoch: 0, session: undefined }
        row.epoch++
        this.sessions.set(name, row)
        if (!isLate) this.takers.set(name, machine)
        return [name, { epoch: row.epoch, session: row.session }] as const
      })
    )
  }

  write(writes: ReadonlyArray<FencedWrite>): ReadonlySet<string> {
    const written = new Set<string>()
    for (const { epoch, session, shard } of writes) {
      const row = this.sessions.get(shard)
      if (row === undefined || (row.epoch !== epoch && !this.defects.unfenced)) continue
      if (isSetBack(row.session, session)) this.setBack++
      row.session = session
      written.add(shard)
    }
    return written
  }

  readBeside(shard: string, names: ReadonlyArray<string>): ReadonlyMap<string, string> {
    const beside = this.beside.get(shard) ?? new Map<string, string>()
    return new Map([...beside].filter(([name]) => names.includes(name)))
  }

  writeBeside({ epoch, shard, texts }: FencedTexts): boolean {
    if (this.sessions.get(shard)?.epoch !== epoch && !this.defects.unfenced) return false
    const beside = this.beside.get(shard) ?? new Map<string, string>()
    this.beside.set(shard, beside)
    for (const [name, text] of texts) {
      if (text === undefined) beside.delete(name)
      else beside.set(name, text)
    }
    return true
  }

  /** The stored sessions, as JSON, by row. */
  stored(): ReadonlyMap<string, string> {
    return new Map([...this.sessions].flatMap(([row, { session }]) => (session === undefined ? [] : [[row, session]])))
  }
}
