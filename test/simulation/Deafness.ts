/**
 * Deaf sessions in a scenario: heartbeats are acknowledged and no event comes, until the client has found it out.
 */
import * as DateTime from "effect/DateTime"
import type { ShardEvent } from "../../src/schema/ShardEvent.ts"
import * as Act from "../../src/simulator/Act.ts"
import type { ConnectionRecord } from "../../src/simulator/Observations.ts"
import type { Step } from "./FaultSchedule.ts"

const second = 1000
const minute = 60 * second

/** Longest silence before a probe, the time for its answer, and two minutes. */
const foundWithin = 63 * minute
/** Least time between two probes of a shard. */
const probesApart = 10 * minute

/** Every fourth seed has a deaf session, at a place of its schedule that its number gives. */
export const withDeafness = (seed: number, shards: number, steps: ReadonlyArray<Step>): ReadonlyArray<Step> => {
  if (seed % 4 !== 2) return steps
  const place = (seed * 7919) % (steps.length + 1)
  const shard = seed % shards
  const dispatch = (after: number): Step => ({ after, action: { _tag: "Dispatch", count: 3, bytes: 0, shard } })
  return [
    ...steps.slice(0, place),
    // A guild to ask in becomes known by its events.
    dispatch(minute),
    { after: 10 * second, action: { _tag: "Act", act: Act.deafen, times: 1, shard } },
    dispatch(minute),
    dispatch(foundWithin),
    ...steps.slice(place)
  ]
}

/** A connection that went deaf. */
export interface Deafened {
  readonly at: number
  readonly connection: number
  readonly shard: number
  /** False where no message had come yet, whose guild could be asked. It may be found all the same, by another event. */
  readonly hasGuild: boolean
}

interface Evidence {
  readonly deafened: ReadonlyArray<Deafened>
  readonly connections: ReadonlyArray<ConnectionRecord>
  readonly events: ReadonlyArray<ShardEvent>
  /** Times at which processes were started: one does not know of the probes of the one before. */
  readonly starts: ReadonlyArray<number>
}

/** Verdicts that a session is deaf. */
export const verdictsIn = (events: ReadonlyArray<ShardEvent>) =>
  events.flatMap((event) => (event._tag === "Disconnected" && event.reason._tag === "SessionDeaf" ? [event] : []))

/** Deaf sessions that were not found in time, those that were none, and probes too soon after another. */
export const judge = ({ connections, deafened, events, starts }: Evidence): ReadonlyArray<string> => {
  const endOf = ({ connection }: Deafened) => connections.find(({ id }) => id === connection)?.end?.at ?? Infinity
  const unfound = deafened.filter((deaf) => deaf.hasGuild && endOf(deaf) > deaf.at + foundWithin)
  const wrong = verdictsIn(events).filter(({ at, shard }) => {
    const time = DateTime.toEpochMillis(at)
    return !deafened.some((deaf) => deaf.shard === shard && deaf.at <= time && time <= endOf(deaf) + second)
  })
  return [
    ...unfound.map(({ at, shard }) => `shard ${shard} went deaf at ${at}, and was not found in ${foundWithin} ms`),
    ...wrong.map(({ at, shard }) => `shard ${shard} was taken for deaf at ${DateTime.toEpochMillis(at)}, and was not`),
    ...probesTooSoon(connections, starts)
  ]
}

const probesTooSoon = (
  connections: ReadonlyArray<ConnectionRecord>,
  starts: ReadonlyArray<number>
): ReadonlyArray<string> => {
  const last = new Map<number, number>()
  return connections.flatMap(({ frames, shard }) =>
    frames.flatMap(({ at, op, payload }) => {
      if (shard === undefined || op !== 8 || !JSON.stringify(payload).includes("disruption-gateway:silence")) return []
      const before = last.get(shard) ?? -Infinity
      last.set(shard, at)
      const isAnotherProcess = starts.some((start) => before < start && start <= at)
      return at - before >= probesApart - second || isAnotherProcess
        ? []
        : [`shard ${shard} was probed at ${before} and again at ${at}`]
    })
  )
}
