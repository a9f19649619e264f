/**
 * Broker in the memory of a process, for tests: relay and consumers are in the same process, and all ends with it.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import {
  type BrokerOptions,
  type ChannelMessage,
  defaults,
  type Published,
  RelayBroker,
  type RelayDeadLetter
} from "./RelayBroker.ts"
import * as RelayRecord from "./RelayRecord.ts"
import type { RelayEntry } from "./RelayRecord.ts"

interface Kept extends RelayEntry {
  readonly number: number
  readonly at: number
}

interface Lease {
  epoch: number
  consumer: string | undefined
  expires: number
  losses: number
}

/**
 * A broker in memory.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: BrokerOptions = { name: "memory" }): Layer.Layer<RelayBroker> =>
  Layer.effect(RelayBroker, make(options))

const make = (options: BrokerOptions): Effect.Effect<RelayBroker["Service"]> =>
  Effect.map(Clock.Clock, (clock) => {
    const count = options.partitions ?? defaults.partitions
    const capacity = options.capacity ?? defaults.capacity
    const partitions: ReadonlyArray<Array<Kept>> = Array.from({ length: count }, () => [])
    const leases: ReadonlyArray<Lease> = Array.from({ length: count }, () => ({
      epoch: 0,
      consumer: undefined,
      expires: 0,
      losses: 0
    }))
    const members = new Map<string, number>()
    const published = new Map<string, number>()
    const letters: Array<RelayDeadLetter> = []
    const channels = new Map<string, Array<ChannelMessage>>()
    const texts = new Map<string, string>()
    let numbers = 0
    const news = Latch.makeUnsafe(false)
    const now = () => clock.currentTimeMillisUnsafe()
    const depth = () => partitions.reduce((sum, partition) => sum + partition.length, 0)

    const readNow = (after: ReadonlyMap<number, string | undefined>, limit: number) =>
      [...after].flatMap(([partition, position]) => {
        const from = position === undefined ? 0 : Number(position)
        const entries = (partitions[partition] ?? []).filter(({ number }) => number > from).slice(0, limit)
        return entries.length === 0 ? [] : [{ partition, entries }]
      })

    const channelOf = (name: string) => {
      const channel = channels.get(name) ?? []
      channels.set(name, channel)
      return channel
    }

    return RelayBroker.of({
      name: options.name,
      partitions: count,
      publish: (records) =>
        Effect.suspend((): Effect.Effect<Published> => {
          const before = depth()
          if (before >= capacity) return Effect.succeed({ _tag: "Full", depth: before })
          const at = now()
          let added = 0
          for (const record of records) {
            const source = `${record.session}:${record.shard}`
            if (record.sequence <= (published.get(source) ?? 0)) continue
            published.set(source, record.sequence)
            const number = ++numbers
            partitions[record.partition]?.push({
              number,
              position: String(number),
              at,
              version: RelayRecord.version,
              id: RelayRecord.idOf(record),
              name: record.name,
              text: record.text
            })
            added++
          }
          return Effect.as(news.release, { _tag: "Written", added, repeated: records.length - added })
        }),
      read: (after, { limit, wait }) =>
        Effect.suspend(() => {
          const entries = readNow(after, limit)
          if (entries.length > 0) return Effect.succeed(entries)
          return Effect.map(Effect.timeoutOption(news.await, wait), () => readNow(after, limit))
        }),
      acknowledge: (handled) =>
        Effect.sync(() => {
          for (const [partition, keys] of handled) {
            const log = partitions[partition] ?? []
            const gone = new Set(keys.map(({ position }) => position))
            log.splice(0, log.length, ...log.filter(({ position }) => !gone.has(position)))
            const lease = leases[partition]
            if (lease !== undefined) lease.losses = 0
          }
        }),
      lease: (consumer, time) =>
        Effect.sync(() => {
          const at = now()
          const expires = at + Duration.toMillis(time)
          members.set(consumer, expires)
          for (const [member, until] of members) if (until <= at) members.delete(member)
          const share = Math.ceil(count / members.size)
          let own = leases.filter((lease) => lease.consumer === consumer).length
          const held = leases.flatMap((lease, partition) => {
            if (lease.consumer === consumer) lease.expires = expires
            else if (own < share && (lease.consumer === undefined || lease.expires <= at)) {
              if (lease.consumer !== undefined) lease.losses++
              lease.consumer = consumer
              lease.expires = expires
              lease.epoch++
              own++
            } else return []
            const { epoch, losses } = lease
            return [{ partition, epoch, losses, last: partitions[partition]?.at(-1)?.position }]
          })
          return { held, surplus: Math.max(0, own - share) }
        }),
      release: (consumer, released) =>
        Effect.sync(() => {
          for (const { epoch, partition } of released) {
            const lease = leases[partition]
            if (lease?.consumer === consumer && lease.epoch === epoch) lease.consumer = undefined
          }
        }),
      leave: (consumer) => Effect.sync(() => void members.delete(consumer)),
      setAside: (letter) => Effect.sync(() => void letters.push(letter)),
      deadLetters: (limit) => Effect.sync(() => letters.slice(-limit)),
      status: Effect.sync(() => {
        const at = now()
        const oldest = partitions.flatMap((partition) => partition[0]?.at ?? [])
        return {
          depth: depth(),
          age: oldest.length === 0 ? 0 : at - Math.min(...oldest),
          deadLetters: letters.length,
          consumers: [...members.values()].filter((expires) => expires > at).length
        }
      }),
      post: (name, text) =>
        Effect.suspend(() => {
          const channel = channelOf(name)
          channel.push({ position: String(++numbers), text })
          if (channel.length > 1000) channel.shift()
          return Effect.asVoid(news.release)
        }),
      follow: (name, { fromStart }) =>
        Stream.unwrap(
          Effect.sync(() => {
            let last = fromStart ? 0 : numbers
            return Stream.fromEffectRepeat(
              Effect.suspend(() => {
                const take: Effect.Effect<ChannelMessage> = Effect.suspend(() => {
                  const message = channelOf(name).find(({ position }) => Number(position) > last)
                  if (message === undefined) return Effect.andThen(news.await, take)
                  last = Number(message.position)
                  return Effect.succeed(message)
                })
                return take
              })
            )
          })
        ),
      claim: (name, position) =>
        Effect.sync(() => {
          const channel = channelOf(name)
          const index = channel.findIndex((message) => message.position === position)
          if (index >= 0) channel.splice(index, 1)
          return index >= 0
        }),
      put: (name, text) => Effect.sync(() => void texts.set(name, text)),
      texts: Effect.sync(() => new Map(texts)),
      remove: (name) => Effect.sync(() => void texts.delete(name))
    })
  })
