/**
 * The record of the proof's consumers: a line for each event that one has handled.
 */
import { closeSync, existsSync, openSync, readSync } from "node:fs"
import * as Effect from "effect/Effect"

/** An event that a consumer has handled. */
export interface Handled {
  readonly n: number
  readonly guild: string
  /** The consumer's process. */
  readonly pid: number
}

/**
 * The record that the consumers append to. What is there is read once: reading all of it again for each look would hold Discord's
 * side, which is in this process, for a second and more, and relays would take their connections for dead.
 */
export class HandledRecord {
  private readonly path: string
  private readonly read: Array<Handled> = []
  private readonly numbers = new Set<number>()
  private file: number | undefined
  private rest = ""

  constructor(path: string) {
    this.path = path
  }

  lines(): ReadonlyArray<Handled> {
    if (this.file === undefined && existsSync(this.path)) this.file = openSync(this.path, "r")
    const chunk = Buffer.alloc(1024 * 1024)
    for (;;) {
      const size = this.file === undefined ? 0 : readSync(this.file, chunk)
      if (size === 0) return this.read
      const lines = `${this.rest}${chunk.toString("latin1", 0, size)}`.split("\n")
      this.rest = lines.pop() ?? ""
      for (const line of lines) {
        const [n, guild = "", pid] = line.split(" ")
        this.read.push({ n: Number(n), guild, pid: Number(pid) })
        this.numbers.add(Number(n))
      }
    }
  }

  /** Count of the events that were handled. */
  events(): number {
    this.lines()
    return this.numbers.size
  }

  readonly close = Effect.sync(() => {
    if (this.file !== undefined) closeSync(this.file)
  })
}

/** Counts what is lost, handled once more, and handled for the first time after a later one of its guild. */
export const judge = (lines: ReadonlyArray<Handled>, events: number) => {
  const seen = new Set<number>()
  const last = new Map<string, number>()
  let [doubled, outOfOrder] = [0, 0]
  for (const { guild, n } of lines) {
    if (seen.has(n)) doubled++
    else if (n < (last.get(guild) ?? -1)) outOfOrder++
    seen.add(n)
    last.set(guild, Math.max(n, last.get(guild) ?? -1))
  }
  return { lost: events - seen.size, doubled, outOfOrder }
}

/** What is handled so far. */
export const handledIn = (path: string): ReadonlyArray<Handled> => {
  const record = new HandledRecord(path)
  const lines = record.lines()
  Effect.runSync(record.close)
  return lines
}
