/**
 * A consumer of the broker: leases partitions, reads them into a log of deliveries, and acknowledges what is handled.
 *
 * A partition goes to another consumer with nothing of it in hand, so the order of its guilds is kept. One that is lost, because the
 * consumer was paused or could not reach the broker for longer than its lease, is left out of the log at once.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Semaphore from "effect/Semaphore"
import * as DeliveryLog from "../gateway/DeliveryLog.ts"
import type { Wanted } from "../gateway/Wanted.ts"
import { type Payload, payloadOf } from "../schema/Payload.ts"
import * as MonotonicTime from "../services/MonotonicTime.ts"
import { momentOf, TimedLease, usableShare } from "../services/ShardLease.ts"
import { Signal } from "../services/Signal.ts"
import { ConsumedPartition, EntryMark } from "./ConsumedPartition.ts"
import {
  type Leases,
  type PartitionEntries,
  type RelayBroker,
  type RelayBrokerError,
  unansweredWait
} from "./RelayBroker.ts"
import * as RelayRecord from "./RelayRecord.ts"
import type { EntryKey, RelayEntry } from "./RelayRecord.ts"

/** Options of a consumer. */
export interface ConsumerOptions {
  readonly name: string
  /** False where it waits for `begin`. */
  readonly beginsAtOnce: boolean
  readonly lease: Duration.Duration
  readonly capacity: number
  readonly capacityBytes: number
  readonly onAbandoned: (payloads: number) => Effect.Effect<void>
}

/** The consumer. */
export interface RelayConsumer {
  readonly log: DeliveryLog.DeliveryLog
  /** Takes part from now on, if it does not already. */
  readonly begin: Effect.Effect<void>
  /** Waits until what is handled is acknowledged at the broker. */
  readonly flush: Effect.Effect<void>
  /** Count of the partitions that it reads. */
  readonly partitions: () => number
}

/** Time for which a read waits at the broker: partitions that come and go are read anew after it. */
const readWait = Duration.millis(200)

/** Time at the end for what is handled to reach the broker, and the leases to be given back. */
const endTime = Duration.seconds(5)

/** Starts a consumer, which ends with the scope. */
export const make = Effect.fnUntraced(function* (
  broker: RelayBroker["Service"],
  { beginsAtOnce, capacity, capacityBytes, lease, name, onAbandoned }: ConsumerOptions
) {
  const clock = yield* Clock.Clock
  const timed = new TimedLease(clock, Duration.toMillis(lease) * usableShare)
  const partitions = new Map<number, ConsumedPartition>()
  const told = Latch.makeUnsafe(beginsAtOnce)
  /** Opens when there may be something to read. */
  const assigned = Latch.makeUnsafe(false)
  let wanted: Wanted
  const log = new DeliveryLog.DeliveryLog({
    capacity,
    capacityBytes,
    now: () => MonotonicTime.of(clock),
    lease: timed,
    grace: Duration.minutes(1),
    fork: yield* FiberSet.makeRuntime<never, void, never>(),
    onAbandoned,
    onWanted: (names) => {
      wanted = names
    }
  })

  // -------------------------------------------------------------------------------------------------------------------
  // Acknowledgements
  // -------------------------------------------------------------------------------------------------------------------

  const handled = new Map<ConsumedPartition, Array<EntryKey>>()
  const news = new Signal()
  let isWriting = false
  const idle = Latch.makeUnsafe(true)

  const onHandled = (partition: ConsumedPartition, entry: EntryKey) => {
    const entries = handled.get(partition)
    if (entries === undefined) handled.set(partition, [entry])
    else entries.push(entry)
    idle.closeUnsafe()
    news.notify()
  }

  const acknowledge = Effect.suspend(() => {
    if (handled.size === 0) return Effect.void
    const batch = [...handled]
    handled.clear()
    isWriting = true
    const keys = new Map<number, Array<EntryKey>>()
    // One that was lost and is leased again is there twice.
    for (const [{ partition }, entries] of batch) keys.set(partition, [...(keys.get(partition) ?? []), ...entries])
    return broker.acknowledge(keys).pipe(
      Effect.tapError((error) => tellOnce(error)),
      Effect.retry(unansweredWait),
      Effect.orDie,
      Effect.andThen(
        Effect.sync(() => {
          for (const [partition, entries] of batch) for (const entry of entries) partition.settle(entry)
        })
      ),
      Effect.andThen(Effect.suspend(() => leasing.withPermits(1)(releaseDrained))),
      Effect.ensuring(
        Effect.sync(() => {
          isWriting = false
          if (handled.size === 0) idle.openUnsafe()
        })
      )
    )
  })

  const acknowledging = Effect.forever(
    Effect.suspend(() => {
      news.reset()
      return handled.size === 0 ? news.wait : acknowledge
    }),
    { disableYield: true }
  )

  // -------------------------------------------------------------------------------------------------------------------
  // Leases
  // -------------------------------------------------------------------------------------------------------------------

  const release = (released: ReadonlyArray<ConsumedPartition>) => {
    if (released.length === 0) return Effect.void
    for (const partition of released) {
      partition.isVoid = true
      partitions.delete(partition.partition)
    }
    return broker.release(name, released)
  }

  const releaseDrained = Effect.suspend(() =>
    // One that is not given back now is given back as its lease ends.
    Effect.ignore(release([...partitions.values()].filter(({ inHand, isDraining }) => isDraining && inHand === 0)))
  )

  const apply = ({ held, surplus }: Leases): void => {
    const now = new Map(held.map((partition) => [partition.partition, partition]))
    for (const [number, partition] of partitions) {
      if (now.get(number)?.epoch === partition.epoch) continue
      partition.isVoid = true
      partitions.delete(number)
    }
    for (const partition of held) {
      if (!partitions.has(partition.partition)) partitions.set(partition.partition, new ConsumedPartition(partition))
    }
    const givenBack = new Set(toGiveBack([...partitions.values()], surplus))
    for (const partition of partitions.values()) partition.isDraining = givenBack.has(partition)
    if (partitions.size > 0) assigned.openUnsafe()
    else assigned.closeUnsafe()
  }

  let isUnanswered = false
  const tellOnce = (error: RelayBrokerError) =>
    Effect.suspend(() => {
      if (isUnanswered) return Effect.void
      isUnanswered = true
      return Effect.logWarning(`${error.message}: trying again`)
    })

  // One at a time: an answer from before a release would have what was given back.
  const leasing = Semaphore.makeUnsafe(1)

  const renew = Effect.gen(function* () {
    const asked = momentOf(clock)
    const leases = yield* broker.lease(name, lease)
    if (isUnanswered) {
      isUnanswered = false
      yield* Effect.logInfo("The broker answers again")
    }
    // Lost partitions are void before the lease is held again.
    apply(leases)
    timed.confirm(asked)
    yield* releaseDrained
  }).pipe(leasing.withPermits(1))

  const renewing = renew.pipe(
    Effect.catch(tellOnce),
    Effect.andThen(Effect.sleep(Duration.min(Duration.divideUnsafe(lease, 5), Duration.seconds(1)))),
    Effect.forever
  )

  // -------------------------------------------------------------------------------------------------------------------
  // Reading
  // -------------------------------------------------------------------------------------------------------------------

  const readable = () => [...partitions.values()].filter(({ isDraining, isVoid }) => !isDraining && !isVoid)

  const take = (partition: ConsumedPartition, entry: RelayEntry): Effect.Effect<void> => {
    const { id, position } = entry
    const key: EntryKey = { id, position }
    partition.position = position
    const state = partition.stateOf(key)
    if (state === "inHand") return Effect.void
    if (state === "acknowledged") {
      // The broker has undone it.
      partition.takeAgain(key)
      return Effect.sync(() => onHandled(partition, key))
    }
    const handedOutBefore = partition.take(key)
    const done = () => {
      if (partition.has(key)) onHandled(partition, key)
    }
    if (wanted !== undefined && entry.version <= RelayRecord.version && !wanted.has(entry.name)) {
      return Effect.sync(done)
    }
    const payload = payloadOfEntry(entry)
    if (typeof payload === "string") {
      return setAside(broker, entry, payload, handedOutBefore + 1).pipe(Effect.andThen(Effect.sync(done)))
    }
    return Effect.sync(() => log.append([payload], entry.text.length, new EntryMark(partition, done), handedOutBefore))
  }

  const takeAll = Effect.fnUntraced(function* (
    asked: ReadonlyMap<number, ConsumedPartition>,
    read: ReadonlyArray<PartitionEntries>
  ) {
    for (const { entries, partition: number } of read) {
      const partition = asked.get(number)
      if (partition === undefined) continue
      for (const entry of entries) {
        // While the read was on its way, or while an entry before was set aside.
        if (partition.isVoid || partition.isDraining) {
          // If it is kept after all, what is passed over here may be in front of where it was.
          partition.position = undefined
          break
        }
        yield* take(partition, entry)
      }
    }
  })

  const read = Effect.gen(function* () {
    yield* assigned.await
    yield* timed.held
    yield* log.room
    const asked = new Map(readable().map((partition) => [partition.partition, partition]))
    if (asked.size === 0) return yield* Effect.sleep(readWait)
    const limit = Math.max(1, Math.floor(capacity / asked.size))
    const after = new Map([...asked].map(([number, { position }]) => [number, position]))
    const entries = yield* broker
      .read(after, { limit, wait: readWait })
      .pipe(Effect.tapError(tellOnce), Effect.retry(unansweredWait), Effect.orDie)
    yield* takeAll(asked, entries)
    if (log.isBehind()) yield* log.giveWay
  })

  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      log.end(DeliveryLog.interrupted)
      yield* acknowledge
      yield* release([...partitions.values()])
      yield* broker.leave(name)
    }).pipe(Effect.timeoutOption(endTime), Effect.ignore)
  )
  yield* Effect.forkScoped(Effect.andThen(told.await, renewing))
  yield* Effect.forkScoped(Effect.forever(read))
  yield* Effect.forkScoped(acknowledging)

  return {
    log,
    // A subscriber that was forked just before has begun by then.
    begin: Effect.andThen(Effect.yieldNow, Effect.asVoid(told.open)),
    flush: Effect.suspend(() => (handled.size > 0 || isWriting ? idle.await : Effect.void)),
    partitions: () => readable().length
  } satisfies RelayConsumer
})

/**
 * The partitions to give back. One that is being given back is, unless it is to be kept after all. The others are of all kinds, busy and
 * quiet: those with the least in hand would be given back soonest, and the consumer that gets them would have nothing to do.
 */
const toGiveBack = (
  partitions: ReadonlyArray<ConsumedPartition>,
  surplus: number
): ReadonlyArray<ConsumedPartition> => {
  const byHand = partitions.toSorted((one, other) => one.inHand - other.inHand)
  const draining = byHand.filter(({ isDraining }) => isDraining).slice(0, surplus)
  const rest = byHand.filter(({ isDraining }) => !isDraining)
  const more = surplus - draining.length
  const evenly = Array.from({ length: more }, (_, n) => rest[Math.floor(((n + 0.5) * rest.length) / more)])
  return [...draining, ...evenly.filter((partition) => partition !== undefined)]
}

/** Keeps an entry that cannot be handed out, and says so. */
const setAside = (broker: RelayBroker["Service"], { id, name, text }: RelayEntry, cause: string, attempts: number) =>
  broker
    .setAside({ id, name, text, cause, attempts })
    .pipe(
      Effect.retry(unansweredWait),
      Effect.orDie,
      Effect.andThen(Effect.logError(`A dispatch of the broker is set aside: ${cause}`, id))
    )

/** Payload of an entry, or why it is none. */
const payloadOfEntry = ({ id, text, version }: RelayEntry): Payload | string => {
  if (version > RelayRecord.version) {
    return `it is of version ${version}, and this release reads up to ${RelayRecord.version}: consumers are deployed before relays`
  }
  const shard = RelayRecord.shardOfId(id)
  if (shard === undefined) return `its id ${id} names no shard`
  const payload = payloadOf(text, shard)
  return "_tag" in payload ? payload.description : payload
}
