/**
 * Delivery log as streams, and the watch for payloads that nobody acknowledges.
 */
import type * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { GatewayError } from "../schema/GatewayError.ts"
import type { Payload } from "../schema/Payload.ts"
import { ShardEvent } from "../schema/ShardEvent.ts"
import type { Delivery } from "./Delivery.ts"
import type { DeliveryLog } from "./DeliveryLog.ts"
import type { ShardEvents } from "./ShardEvents.ts"
import { attemptsOf, type Held } from "./Segment.ts"
import type { Subscription } from "./Subscription.ts"
import type { Wanted } from "./Wanted.ts"

/** Payloads, one a pull: a payload is acknowledged by the pull for the next one. */
export const payloads = (log: DeliveryLog): Stream.Stream<Payload, GatewayError> => oneByOne(log, undefined, isAny)

const isAny = (payload: Payload): payload is Payload => payload !== undefined

/** Dispatches of these names, one a pull as payloads are. */
export const dispatches = <P extends Payload>(
  log: DeliveryLog,
  names: ReadonlySet<string>,
  isNamed: (payload: Payload) => payload is P
): Stream.Stream<P, GatewayError> => oneByOne(log, names, isNamed)

const oneByOne = <P extends Payload>(
  log: DeliveryLog,
  wanted: Wanted,
  isWanted: (payload: Payload) => payload is P
): Stream.Stream<P, GatewayError> =>
  Stream.unwrap(
    Effect.map(log.subscribe({ wanted, acknowledges: false, owner: undefined }), (subscription) => {
      let hasHandedOn = false
      const pull: Effect.Effect<Arr.NonEmptyReadonlyArray<P>, GatewayError> = Effect.suspend(() => {
        if (hasHandedOn) subscription.comeBack()
        subscription.acknowledgeInHand()
        const payload = subscription.next()
        if (payload === undefined) return Effect.andThen(subscription.news, pull)
        if (!isWanted(payload)) return pull
        hasHandedOn = true
        return Effect.succeed([payload])
      })
      return Stream.fromPull(Effect.succeed(pull))
    })
  )

/** Deliveries, one a pull: those behind one with which a program has had enough were not handed out. */
export const acknowledged = (log: DeliveryLog): Stream.Stream<Delivery, GatewayError> =>
  Stream.unwrap(
    Effect.map(log.subscribe({ wanted: undefined, acknowledges: true, owner: undefined }), (subscription) => {
      let batch: ReadonlyArray<Held> = []
      let index = 0
      const pull: Effect.Effect<Arr.NonEmptyReadonlyArray<Delivery>, GatewayError> = Effect.suspend(() => {
        if (!log.lease.isHeld()) return Effect.andThen(log.held, pull)
        const held = batch[index]
        if (held !== undefined) {
          index++
          return Effect.succeed([toDelivery(subscription, held)])
        }
        return Effect.flatMap(subscription.take, (next) => {
          batch = next
          index = 0
          return pull
        })
      })
      return Stream.fromPull(Effect.succeed(pull))
    })
  )

const toDelivery = (subscription: Subscription, held: Held): Delivery => {
  held.hasBegun = true
  const attempts = attemptsOf(held)
  return {
    payload: held.payload,
    redelivered: attempts > 1,
    attempts,
    ack: Effect.sync(() => subscription.acknowledge(held)),
    nack: Effect.sync(() => subscription.reject(held))
  }
}

/** Age at which a payload in hand is announced, and the interval of the look. */
const overdueAfter = Duration.minutes(1)
const lookEvery = Duration.seconds(15)

/** Announces the oldest payload that nobody acknowledges, once for each, until the scope closes. */
export const watchOverdue = (log: DeliveryLog, events: ShardEvents): Effect.Effect<void, never, Scope.Scope> => {
  let announced: Payload | undefined
  return Effect.suspend(() => {
    const oldest = log.oldest()
    if (oldest === undefined || oldest.payload === announced) return Effect.void
    const after = Duration.millis(log.now() - oldest.since)
    if (Duration.isLessThan(after, overdueAfter)) return Effect.void
    announced = oldest.payload
    const { s: sequence, shard, t: event } = oldest.payload
    return events.announce((at) => ShardEvent.AcknowledgementOverdue({ shard, at, sequence, event, after }))
  }).pipe(Effect.delay(lookEvery), Effect.forever, Effect.forkScoped, Effect.asVoid)
}
