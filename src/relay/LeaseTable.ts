/**
 * Leases of all partitions in one value, for brokers that can compare and set but not run a script.
 *
 * Clocks of different machines are not compared: times are those at which the broker took the values before. When it takes a value
 * is known only to those who read it, so the value names its writer, whose lease the next one to write then puts down.
 */
import * as Schema from "effect/Schema"

const Consumer = Schema.Struct({
  /** When it was heard of, by the broker's clock. */
  at: Schema.Finite,
  /** Milliseconds for which its leases are good. */
  time: Schema.Finite,
  /** It takes no more. */
  hasLeft: Schema.optionalKey(Schema.Boolean)
})

const Lease = Schema.Struct({
  epoch: Schema.Int,
  /** Empty for none. */
  consumer: Schema.String,
  losses: Schema.Int
})

export const LeaseTable = Schema.Struct({
  version: Schema.Literal(1),
  /** The consumer that is heard of by this value; empty for none. */
  writer: Schema.String,
  consumers: Schema.Record(Schema.String, Consumer),
  leases: Schema.Array(Lease)
})

/** Leases of all partitions. */
export interface LeaseTable extends Schema.Schema.Type<typeof LeaseTable> {}

/** Lease of a partition. */
export interface Lease extends Schema.Schema.Type<typeof Lease> {}

/** A table with no leases. */
export const empty = (partitions: number): LeaseTable => ({
  version: 1,
  writer: "",
  consumers: {},
  leases: Array.from({ length: partitions }, () => ({ epoch: 0, consumer: "", losses: 0 }))
})

/** The consumers that are heard of at this time, with the writer of a table that the broker took at `at`. */
const consumersOf = ({ consumers, writer }: LeaseTable, at: number, now = at) =>
  new Map(
    Object.entries(consumers)
      .map(([name, consumer]) => [name, name === writer ? { ...consumer, at } : consumer] as const)
      .filter(([, consumer]) => consumer.at + consumer.time > now)
  )

const membersOf = (consumers: ReadonlyMap<string, { readonly hasLeft?: boolean }>) =>
  [...consumers.values()].filter(({ hasLeft }) => hasLeft !== true).length

/** Count of the consumers at a time. */
export const members = (table: LeaseTable, at: number, now: number): number => membersOf(consumersOf(table, at, now))

/** Renews the leases of a consumer, and takes free ones up to its share. Gives how many it has above its share, too. */
export const renew = (table: LeaseTable, at: number, consumer: string, time: number) => {
  const consumers = consumersOf(table, at)
  consumers.set(consumer, { at, time })
  const share = Math.ceil(table.leases.length / membersOf(consumers))
  let own = table.leases.filter((lease) => lease.consumer === consumer).length
  const leases = table.leases.map((lease): Lease => {
    const isFree = lease.consumer === "" || !consumers.has(lease.consumer)
    if (lease.consumer === consumer || own >= share || !isFree) return lease
    own++
    return { epoch: lease.epoch + 1, consumer, losses: lease.losses + (lease.consumer === "" ? 0 : 1) }
  })
  const next: LeaseTable = { version: 1, writer: consumer, consumers: Object.fromEntries(consumers), leases }
  return { table: next, surplus: Math.max(0, own - share) }
}

/** Gives leases back that are still the consumer's. */
export const release = (
  table: LeaseTable,
  at: number,
  consumer: string,
  released: ReadonlyArray<{ readonly partition: number; readonly epoch: number }>
): LeaseTable => {
  const epochs = new Map(released.map(({ epoch, partition }) => [partition, epoch]))
  return settled(table, at, {
    leases: table.leases.map((lease, partition) =>
      lease.consumer === consumer && epochs.get(partition) === lease.epoch ? { ...lease, consumer: "" } : lease
    )
  })
}

/** Is none of the consumers any more. Leases that it did not give back end with their time. */
export const leave = (table: LeaseTable, at: number, consumer: string): LeaseTable => {
  const consumers = consumersOf(table, at)
  const left = consumers.get(consumer)
  if (left !== undefined) consumers.set(consumer, { ...left, hasLeft: true })
  return settled(table, at, { consumers: Object.fromEntries(consumers) })
}

/** Something of these partitions was acknowledged: their holders were not lost in vain. */
export const progress = (table: LeaseTable, at: number, partitions: ReadonlySet<number>): LeaseTable =>
  settled(table, at, {
    leases: table.leases.map((lease, partition) => (partitions.has(partition) ? { ...lease, losses: 0 } : lease))
  })

/** The table with a change that nobody is heard of by. */
const settled = (table: LeaseTable, at: number, change: Partial<LeaseTable>): LeaseTable => ({
  ...table,
  consumers: Object.fromEntries(consumersOf(table, at)),
  writer: "",
  ...change
})
