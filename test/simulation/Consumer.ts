/**
 * A program that takes what the gateway hands out, each in its kind and speed, and takes down what it got and what it has
 * handled.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { Delivery } from "../../src/gateway/Delivery.ts"
import type { Gateway } from "../../src/gateway/Gateway.ts"
import type { GatewayError } from "../../src/schema/GatewayError.ts"
import type { Payload } from "../../src/schema/Payload.ts"
import * as Program from "./Program.ts"
import type { ConsumerSpeed } from "./Scenario.ts"

/** A dispatch as a consumer got it. */
export interface Delivered {
  readonly shard: number
  /** The session over whose connection it came. */
  readonly session: string
  readonly s: number
  readonly t: string
  /** Number given by the simulation, undefined for Discord's own dispatches. */
  readonly n: number | undefined
  /** Its guild, or nothing. */
  readonly guild: string
  /** Whether it was said to be redelivered, where that is said. */
  readonly redelivered?: boolean
}

/** Something that a consumer did: it began with a dispatch, or it has handled it. */
export interface Deed {
  readonly did: "begin" | "finish"
  readonly delivered: Delivered
}

/** Record of a consumer. */
export interface ConsumerRecord {
  /** In order. */
  readonly log: Array<Deed>
  /** Payloads in hand: given to it, and not handled. */
  readonly inHand: Set<Payload>
  /** How many handlers run. */
  running: number
  /** How often a handler has run. */
  runs: number
  /** The payloads that the gateway has set aside, since they were begun with too often. */
  readonly setAside: Array<Delivered>
  /** How many deliveries were given back, of so many. */
  offered: number
  /** Since when it has been subscribed, if it is. */
  subscribedAt: number | undefined
  /** When it has last left with something in hand. */
  leftAt: number
}

/** A consumer that has not got anything yet. */
export const newRecord = (): ConsumerRecord => ({
  log: [],
  inHand: new Set(),
  running: 0,
  runs: 0,
  setAside: [],
  offered: 0,
  subscribedAt: undefined,
  leftAt: -Infinity
})

/** Whether it is in the midst of something. */
export const isBusy = ({ inHand, running }: ConsumerRecord): boolean => running > 0 || inHand.size > 0

/** How all consumers of a run are kept from working. */
export interface Rest {
  /** No consumer goes on before this time. */
  until: number
  /** The run comes to its end: no consumer rests any more. */
  over: boolean
}

/** A handler failed. */
export class HandlerFailed extends Data.TaggedError("HandlerFailed")<{ readonly run: number }> {}

/** The guild of a payload, as the gateway's own key is. */
export const guildOf = (t: string | null, d: unknown): string => {
  if (Predicate.hasProperty(d, "guild_id") && typeof d.guild_id === "string") return d.guild_id
  return t === "GUILD_CREATE" && Predicate.hasProperty(d, "id") && typeof d.id === "string" ? d.id : ""
}

/** Parts that a consumer works with. */
export interface ConsumerOptions {
  readonly gateway: Gateway["Service"]
  readonly program: Program.Program
  readonly speed: ConsumerSpeed
  readonly rest: Rest
  readonly record: ConsumerRecord
  /** Over the connection of which session a payload came. */
  readonly sessionOf: (payload: Payload) => string | undefined
  /** Whether the process was killed: then it does nothing that counts. */
  readonly isDead: () => boolean
  /** Whether another consumer is beside it. */
  readonly hasOther: boolean
  /** Whether handlers may fail now. */
  readonly mayFail: () => boolean
  /** A handler has begun with the payload that kills the process. */
  readonly onPoison: () => void
  /** A handler begins, or has succeeded. */
  readonly onHandler: (what: "handler begins" | "handler has succeeded") => void
}

/** Payloads in hand of a consumer that leaves while another one listens: they do not come again to it unless it has failed. */
const leaveInHand = (record: ConsumerRecord, now: number): void => {
  record.inHand.clear()
  record.leftAt = now
}

/** Subscribes, and takes what comes. */
export const run = (options: ConsumerOptions): Effect.Effect<void, GatewayError> => {
  const { program, record, rest, speed } = options
  const around = program.fails?.around === "program" ? program.fails.retryAfter : 0
  let sinceRest = 0

  const read = (payload: Payload): Delivered | undefined => {
    const { d, s, shard, t } = payload
    // RESUMED is of a connection: it may be replayed, or not be numbered.
    if (s === null || t === null || t === "RESUMED") return undefined
    const n = Predicate.hasProperty(d, "n") && typeof d.n === "number" ? d.n : undefined
    return { shard, session: options.sessionOf(payload) ?? "unknown", s, t, n, guild: guildOf(t, d) }
  }
  const note = (did: Deed["did"], payload: Payload, redelivered = false) => {
    const delivered = read(payload)
    if (delivered !== undefined) record.log.push({ did, delivered: { ...delivered, redelivered } })
  }

  const begin = (payload: Payload, redelivered = false): void => {
    if (options.isDead()) return
    record.inHand.add(payload)
    note("begin", payload, redelivered)
  }
  const finish = (payload: Payload): void => {
    if (options.isDead()) return
    record.inHand.delete(payload)
    note("finish", payload)
    options.onHandler("handler has succeeded")
  }

  const setAside = (payload: Payload): void => {
    const delivered = read(payload)
    if (delivered !== undefined && !options.isDead()) record.setAside.push(delivered)
    finish(payload)
  }

  const sleepUntil = Effect.fnUntraced(function* (time: () => number) {
    for (let now = yield* Clock.currentTimeMillis; !rest.over && now < time(); now = yield* Clock.currentTimeMillis) {
      // Whole milliseconds: a sleep of less than a nanosecond does not move the clock, and the loop would spin.
      yield* Effect.sleep(Math.ceil(Math.min(time() - now, 1000)))
    }
  })

  const work = Effect.fnUntraced(function* () {
    const { every = Infinity, millis = 0 } = speed.rest ?? {}
    const runs = record.runs
    if (++sinceRest >= every) {
      sinceRest = 0
      yield* Effect.sleep(millis)
    }
    yield* sleepUntil(() => rest.until)
    if (program.kind === "pool") yield* Effect.sleep((runs * 7919) % 23)
    if (program.hangs !== undefined && runs % program.hangs.every === 0) {
      const until = (yield* Clock.currentTimeMillis) + program.hangs.millis
      yield* sleepUntil(() => until)
    }
    if (!rest.over && program.fails !== undefined && runs % program.fails.every === 0 && options.mayFail()) {
      return yield* new HandlerFailed({ run: runs })
    }
  })
  const isQuick = speed.rest === undefined && Program.isQuick(program)

  /** Handler of a payload, until it has succeeded or failed. */
  const handle: Effect.Effect<void, HandlerFailed> = Effect.suspend(() => {
    record.runs++
    if (!options.isDead()) options.onHandler("handler begins")
    if (rest.over || (isQuick && rest.until === 0)) return Effect.void
    record.running++
    return Effect.ensuring(
      work(),
      Effect.sync(() => {
        record.running--
      })
    )
  })

  const handlePayload = (payload: Payload): Effect.Effect<void, HandlerFailed> =>
    Effect.suspend(() => {
      begin(payload)
      if (program.poison !== undefined && read(payload)?.n === program.poison.n) {
        options.onPoison()
        return Effect.never
      }
      return Effect.map(handle, () => finish(payload))
    })

  const handleDelivery = ({ ack, nack, payload }: Delivery): Effect.Effect<void, HandlerFailed> =>
    Effect.andThen(
      handle,
      Effect.suspend(() => {
        record.offered++
        if (!rest.over && program.nackEvery !== undefined && record.offered % program.nackEvery === 0) return nack
        finish(payload)
        return ack
      }).pipe(Effect.uninterruptible)
    )

  const subscribed = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    record.subscribedAt = now
    if (options.hasOther && record.inHand.size > 0) leaveInHand(record, now)
    record.running = 0
    return consume(options, begin, handlePayload, handleDelivery, finish, setAside)
  })
  const again: Effect.Effect<void, GatewayError> = Effect.catchIf(subscribed, isHandlerFailure, () =>
    Effect.delay(
      Effect.suspend(() => again),
      around
    )
  )
  return again
}

const isHandlerFailure = (error: GatewayError | HandlerFailed): error is HandlerFailed => error._tag === "HandlerFailed"

const consume = (
  { gateway, program }: ConsumerOptions,
  begin: (payload: Payload, redelivered: boolean) => void,
  handlePayload: (payload: Payload) => Effect.Effect<void, HandlerFailed>,
  handleDelivery: (delivery: Delivery) => Effect.Effect<void, HandlerFailed>,
  finish: (payload: Payload) => void,
  setAside: (payload: Payload) => void
): Effect.Effect<void, GatewayError | HandlerFailed> => {
  const { capacity, concurrency, fails, finishWithin, kind, names, poison } = program
  const onFailure =
    fails?.around === "handler"
      ? {
          retry: Schedule.max([Schedule.spaced(fails.retryAfter), Schedule.recurs(2)]),
          deadLetter: ({ payload }: { readonly payload: Payload }) => Effect.sync(() => finish(payload))
        }
      : poison === undefined
        ? ("stop" as const)
        : { deadLetter: ({ payload }: { readonly payload: Payload }) => Effect.sync(() => setAside(payload)) }
  const options = { concurrency, finishWithin, onFailure, maxAttempts: poison?.maxAttempts }
  const deliveries = Stream.map(gateway.deliveries, (delivery) => {
    begin(delivery.payload, delivery.redelivered)
    return delivery
  })
  switch (kind) {
    case "stream":
      return Stream.runForEach(gateway.payloads, handlePayload)
    case "runForEach":
      return gateway.runForEach(handlePayload, options)
    case "handle":
    case "keyed":
      return names === undefined
        ? gateway.runForEach(handlePayload, options)
        : gateway.handle(Object.fromEntries(names.map((name) => [name, handlePayload])), options)
    case "merge":
      return Stream.runForEach(Stream.merge(deliveries, Stream.tick("7 seconds")), (delivery) =>
        delivery === undefined ? Effect.void : handleDelivery(delivery)
      )
    case "changes":
      return Stream.runForEach(Stream.merge(deliveries, gateway.changes), (either) =>
        "ack" in either ? handleDelivery(either) : Effect.void
      )
    case "mapEffect":
      return Stream.runDrain(Stream.mapEffect(deliveries, handleDelivery, { concurrency }))
    case "grouped":
      return Stream.runForEach(Stream.groupedWithin(deliveries, capacity, "1 second"), (group) =>
        Effect.forEach(group, handleDelivery, { discard: true })
      )
    case "interrupted":
      // Not `Stream.timeout`, which spins on a clock that stands between two nanoseconds.
      return Effect.forever(
        Effect.andThen(
          Stream.runForEach(Stream.interruptWhen(deliveries, Effect.sleep("3 seconds")), handleDelivery),
          Effect.timeoutOption(Stream.runForEach(deliveries, handleDelivery), "3 seconds")
        )
      )
    case "take":
      return Effect.forever(Stream.runForEach(Stream.take(deliveries, capacity), handleDelivery))
    case "takeOne":
      return Effect.forever(Stream.runForEach(Stream.take(gateway.payloads, 1), handlePayload))
    case "runHead":
      return Effect.andThen(
        Stream.runForEach(Stream.take(gateway.payloads, 1), handlePayload),
        Stream.runForEach(gateway.payloads, handlePayload)
      )
    case "share":
      return Effect.scoped(
        Effect.gen(function* () {
          const shared = yield* Stream.share(deliveries, { capacity })
          const branch = (half: number) =>
            shared.pipe(
              Stream.filter(({ payload: { s } }) => (s ?? 0) % 2 === half),
              Stream.runForEach(handleDelivery)
            )
          yield* Effect.all([branch(0), branch(1)], { concurrency: "unbounded", discard: true })
        })
      )
    case "buffer":
      return Stream.runForEach(Stream.buffer(deliveries, { capacity }), handleDelivery)
    case "groupByKey":
      return deliveries.pipe(
        Stream.groupByKey(({ payload }) => `${payload.shard} ${guildOf(payload.t, payload.d)}`, {
          bufferSize: capacity
        }),
        Stream.flatMap(([, guild]) => Stream.mapEffect(guild, handleDelivery), { concurrency: "unbounded" }),
        Stream.runDrain
      )
    case "broadcast":
      return Effect.scoped(
        Effect.gen(function* () {
          const [handled, seen] = yield* Stream.broadcastN(deliveries, { n: 2, capacity })
          yield* Effect.all([Stream.runForEach(handled, handleDelivery), Stream.runDrain(seen)], {
            concurrency: "unbounded",
            discard: true
          })
        })
      )
    case "pool":
      return Effect.gen(function* () {
        const queue = yield* Queue.bounded<Delivery>(capacity)
        const worker = Effect.forever(Effect.flatMap(Queue.take(queue), handleDelivery))
        yield* Effect.all(
          [
            Stream.runForEach(deliveries, (delivery) => Queue.offer(queue, delivery)),
            ...Array.from({ length: concurrency }, () => worker)
          ],
          { concurrency: "unbounded", discard: true }
        )
      })
  }
}
