/**
 * Record that all machines of a cluster share: which of them a shard is with, and each message as it was handled. Read as it grows.
 */
import { closeSync, openSync, readSync } from "node:fs"

/** Result of a run, by messages. */
export interface Tally {
  readonly dispatched: number
  readonly lost: number
  readonly duplicated: number
  /** Messages that a machine handled while the shard was another's. */
  readonly atOnce: number
  /** Messages that a machine handled after a later one of the same shard, in one stay of the shard. */
  readonly outOfOrder: number
}

/** Reader of a record. */
export class MessageRecord {
  private readonly file: number
  private offset = 0
  private rest = ""
  private readonly seen = new Map<number, Map<number, number>>()
  private readonly owners = new Map<number, string>()
  /** The last message of each shard in this stay. */
  private readonly last = new Map<number, number>()
  private lines = 0
  private atOnce = 0
  private outOfOrder = 0

  constructor(path: string) {
    this.file = openSync(path, "r")
  }

  readonly close = (): void => closeSync(this.file)

  private line(text: string): void {
    const [shard = "", id = "", machine = ""] = text.split(" ")
    const number = Number(shard)
    if (id === "+") {
      this.owners.set(number, machine)
      this.last.delete(number)
      return
    }
    this.lines += 1
    const isOwner = this.owners.get(number) === machine
    if (!isOwner) this.atOnce += 1
    else {
      if ((this.last.get(number) ?? -1) >= Number(id)) this.outOfOrder += 1
      this.last.set(number, Number(id))
    }
    const messages = this.seen.get(number) ?? new Map<number, number>()
    this.seen.set(number, messages)
    messages.set(Number(id), (messages.get(Number(id)) ?? 0) + 1)
  }

  private read(): void {
    const buffer = Buffer.alloc(1 << 16)
    for (;;) {
      const length = readSync(this.file, buffer, 0, buffer.length, this.offset)
      if (length === 0) return
      this.offset += length
      const lines = (this.rest + buffer.toString("latin1", 0, length)).split("\n")
      this.rest = lines.pop() ?? ""
      for (const line of lines) this.line(line)
    }
  }

  /** Whether of each shard a message was handled that comes after so many. */
  readonly isBeyond = (counts: ReadonlyArray<number>): boolean => {
    this.read()
    return counts.every((count, shard) => {
      const messages = this.seen.get(shard)
      if (messages === undefined) return false
      for (const id of messages.keys()) if (id >= count) return true
      return false
    })
  }

  /** How many messages were handled so far, each as often as it was. */
  readonly handled = (): number => {
    this.read()
    return this.lines
  }

  /** Comparison with the messages that were dispatched to each shard. */
  readonly tally = (dispatched: ReadonlyArray<number>): Tally => {
    this.read()
    let lost = 0
    let duplicated = 0
    let total = 0
    for (const [shard, count] of dispatched.entries()) {
      total += count
      for (let id = 0; id < count; id++) {
        const times = this.seen.get(shard)?.get(id) ?? 0
        if (times === 0) lost += 1
        duplicated += Math.max(0, times - 1)
      }
    }
    return { dispatched: total, lost, duplicated, atOnce: this.atOnce, outOfOrder: this.outOfOrder }
  }
}
