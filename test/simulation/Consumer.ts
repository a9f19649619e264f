/**
 * A program that takes what the gateway hands out, each in its temper, and takes down what it got.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { GatewayError } from "../../src/schema/GatewayError.ts"
import type { Payload } from "../../src/schema/Payload.ts"
import type { ConsumerSpeed } from "./Scenario.ts"

/** A dispatch as a consumer got it. */
export interface Delivered {
  readonly shard: number
  /** The session that it is of, as far as the consumer can know: the last READY, or the one that was resumed at the start. */
  readonly session: string
  readonly s: number
  readonly t: string
  /** What the simulation numbered it with, undefined for Discord's own dispatches. */
  readonly n: number | undefined
}

/** What a consumer got. */
export interface ConsumerRecord {
  /** In order of their coming. */
  readonly handed: Array<Delivered>
  /** How many of them it has finished with. */
  processed: number
  /** Whether it is in the midst of something. */
  isBusy: boolean
  /** The session of each shard, since the last READY. */
  readonly sessions: Map<number, string>
}

/** A consumer that has not got anything yet. */
export const newRecord = (): ConsumerRecord => ({ handed: [], processed: 0, isBusy: false, sessions: new Map() })

/** How all consumers of a run are kept from working. */
export interface Rest {
  /** No consumer goes on before this time. */
  until: number
  /** The run comes to its end: no consumer rests any more. */
  over: boolean
}

/** Subscribes, and takes what comes. */
export const run = (options: {
  readonly payloads: Stream.Stream<Payload, GatewayError>
  readonly temper: ConsumerSpeed
  readonly rest: Rest
  readonly record: ConsumerRecord
  /** The session that the process resumed first. */
  readonly resumed: (shard: number) => string | undefined
}): Effect.Effect<void, GatewayError> => {
  const { record, rest, temper } = options
  const { sessions } = record

  const read = (payload: Payload): Delivered | undefined => {
    const { d, s, shard, t } = payload
    if (s === null || t === null) return undefined
    if (t === "READY" && Predicate.hasProperty(d, "session_id")) sessions.set(shard, String(d.session_id))
    const n = Predicate.hasProperty(d, "n") && typeof d.n === "number" ? d.n : undefined
    return { shard, session: sessions.get(shard) ?? options.resumed(shard) ?? "unknown", s, t, n }
  }

  const restUntil = Effect.gen(function* () {
    for (
      let now = yield* Clock.currentTimeMillis;
      !rest.over && now < rest.until;
      now = yield* Clock.currentTimeMillis
    ) {
      yield* Effect.sleep(Math.min(rest.until - now, 1000))
    }
  })

  let sinceRest = 0
  const take = Effect.fnUntraced(function* (delivered: ReadonlyArray<Delivered>) {
    const { every = Infinity, millis = 0 } = temper.rest ?? {}
    for (let left = delivered.length; left > 0; left--) {
      if (!rest.over && ++sinceRest >= every) {
        sinceRest = 0
        yield* Effect.sleep(millis)
      }
      yield* restUntil
      record.processed += 1
    }
  })

  const taken = Stream.runForEachArray(options.payloads, (payloads) => {
    const delivered = payloads.flatMap((payload) => read(payload) ?? [])
    for (const one of delivered) record.handed.push(one)
    if (rest.over || (temper.rest === undefined && rest.until === 0)) {
      record.processed += delivered.length
      return Effect.void
    }
    record.isBusy = true
    return Effect.andThen(
      take(delivered),
      Effect.sync(() => {
        record.isBusy = false
      })
    )
  })
  return Effect.suspend(() => {
    record.isBusy = false
    return taken
  })
}
