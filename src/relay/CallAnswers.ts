/**
 * Makes the calls of consumers on the gateways of a process, and answers them.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Stream from "effect/Stream"
import type { Gateway } from "../gateway/Gateway.ts"
import type { MembersRequest } from "../gateway/MemberRequests.ts"
import { GatewayError } from "../schema/GatewayError.ts"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import { InvalidSendEvent } from "../schema/SendError.ts"
import { route, SendEvent } from "../schema/SendEvent.ts"
import { type RelayBroker, unansweredWait } from "./RelayBroker.ts"
import * as RelayCalls from "./RelayCall.ts"
import type { RelayAnswer, RelayCall } from "./RelayCall.ts"

type OneGateway = Gateway["Service"]

/** Gateways that a call is for. */
interface Address {
  readonly gateways: ReadonlyArray<OneGateway>
  /** True where each process makes it, and not the first that takes it. */
  readonly isForAll: boolean
}

/** A call that a gateway may be for which comes later, until its asker waits no longer. */
interface Kept {
  readonly position: string
  readonly call: RelayCall
}

/** Makes the calls for these gateways, and for those that are added to them. */
export const make = Effect.fnUntraced(function* (broker: RelayBroker["Service"], gateways: ReadonlySet<OneGateway>) {
  const fork = yield* FiberSet.makeRuntime<never, void, never>()
  let kept: ReadonlyArray<Kept> = []
  /** Calls that have come, and when their askers wait no longer: a broker that was set back brings them again, and forgets claims. */
  const known = new Map<string, number>()

  const tell = (call: RelayCall, what: RelayAnswer["what"]) =>
    RelayCalls.texts.answer.encode({ to: call.id, what }).pipe(
      Effect.flatMap((text) => broker.post(RelayCalls.channels.answersTo(call.from), text)),
      Effect.retry({ times: 5, schedule: unansweredWait }),
      Effect.ignore
    )

  const perform = (call: RelayCall, gateways: ReadonlyArray<OneGateway>) =>
    Effect.matchEffect(
      Effect.forEach(
        gateways,
        (gateway) => made(gateway, call, (chunk) => tell(call, { _tag: "Members", chunk: JSON.stringify(chunk) })),
        { concurrency: "unbounded", discard: true }
      ),
      {
        onSuccess: () => tell(call, { _tag: "Done" }),
        onFailure: (error) => tell(call, { _tag: "Failed", error })
      }
    )

  /** Makes a call on those of the candidates that it is for. */
  const offer = Effect.fnUntraced(
    function* (one: Kept, candidates: ReadonlySet<OneGateway>) {
      const { call, position } = one
      if (call.until <= (yield* Clock.currentTimeMillis)) return
      const address = yield* Effect.tapError(addressOf(call, gateways, candidates), (error) =>
        tell(call, { _tag: "Failed", error: unreadable(error) })
      )
      if (address.isForAll || address.gateways.length === 0) kept = [...kept.filter((other) => other !== one), one]
      else kept = kept.filter((other) => other !== one)
      if (address.gateways.length === 0) return
      if (!address.isForAll && !(yield* broker.claim(RelayCalls.channels.calls, position))) return
      fork(perform(call, address.gateways))
    },
    Effect.catch((error) => Effect.logWarning("A call of a consumer is left out", error))
  )

  const forgetLate = Effect.map(Clock.currentTimeMillis, (now) => {
    kept = kept.filter(({ call }) => call.until > now)
    for (const [name, until] of known) if (until <= now) known.delete(name)
  })

  const take = (one: Kept) =>
    Effect.suspend(() => {
      const name = `${one.position} ${one.call.from} ${one.call.id}`
      if (known.has(name)) return Effect.void
      known.set(name, one.call.until)
      return offer(one, gateways)
    })

  return {
    /** Makes the calls of the channel in their order, for ever. */
    answer: broker.follow(RelayCalls.channels.calls, { fromStart: true }).pipe(
      Stream.runForEach(({ position, text }) =>
        RelayCalls.texts.call.decode(text).pipe(
          Effect.flatMap((call) => take({ position, call })),
          Effect.andThen(forgetLate),
          Effect.catch((error) => Effect.logWarning("A call of a consumer is left out", error))
        )
      ),
      Effect.retry(unansweredWait)
    ),
    /** Makes the calls that came before this gateway, and are for it. */
    catchUp: (gateway: OneGateway) =>
      Effect.suspend(() => Effect.forEach(kept, (one) => offer(one, new Set([gateway])), { discard: true }))
  }
})

/** Makes a call on one gateway. */
const made = (
  gateway: OneGateway,
  { until, what }: RelayCall,
  onMembers: (chunk: unknown) => Effect.Effect<void>
): Effect.Effect<void, GatewayError> => {
  switch (what._tag) {
    case "Send":
      return Effect.gen(function* () {
        const event = yield* Effect.orDie(eventOf(what))
        const now = yield* Clock.currentTimeMillis
        yield* gateway.send(event, { shard: what.shard, timeout: Duration.millis(Math.max(1, until - now)) })
      })
    case "RequestMembers":
      return Effect.flatMap(Effect.orDie(requestOf(what)), (request) =>
        Stream.runForEach(gateway.requestGuildMembers(request, { timeout: Duration.millis(what.timeout) }), onMembers)
      )
    case "Restart":
      return gateway.restart(what.shard)
    case "Reshard":
      return gateway.reshard(what.total)
  }
}

const eventOf = ({ frame, raw }: { readonly frame: string; readonly raw: boolean }) =>
  Effect.map(RelayCalls.decodeFrame(frame), (event) => (raw ? SendEvent.raw(event.op, event.d) : event))

/** The request, which `requestGuildMembers` checks. */
const requestOf = ({ request }: { readonly request: string }) =>
  Effect.try({
    try: (): MembersRequest => JSON.parse(request),
    catch: () => new InvalidSendEvent({ field: "d", description: "is not JSON" })
  })

const unreadable = ({ message }: Error) =>
  new GatewayError({ reason: new InvalidSendEvent({ field: "d", description: `cannot be read: ${message}` }) })

/**
 * The candidates that a call is for: none where it is for another process, with other shards. A process that has all shards answers for
 * shards that there are not, too.
 */
const addressOf = Effect.fnUntraced(function* (
  call: RelayCall,
  gateways: ReadonlySet<OneGateway>,
  candidates: ReadonlySet<OneGateway>
) {
  const shards = yield* Effect.forEach(gateways, (gateway) =>
    Effect.map(gateway.shards, (shards) => shards.map(({ shard }) => shard))
  )
  // Of two with a shard of the same number, while shards are being dealt anew, the later.
  const own = [...gateways].map((gateway, index) => ({ gateway, shards: shards[index] ?? [] })).toReversed()
  const { what } = call
  const event =
    what._tag === "Send"
      ? yield* eventOf(what)
      : what._tag === "RequestMembers"
        ? SendEvent.raw(GatewayOpcode.RequestGuildMembers, yield* requestOf(what))
        : undefined
  const isForAll = event?.op === GatewayOpcode.PresenceUpdate && (what._tag !== "Send" || what.shard === undefined)

  const has = (shards: ReadonlyArray<{ readonly id: number; readonly total: number }>): boolean => {
    const [first] = shards
    if (first === undefined) return false
    if (what._tag === "Reshard") return true
    const ids = shards.map(({ id }) => id)
    if (what._tag === "Restart") return ids.includes(what.shard)
    return (
      event !== undefined &&
      route(event, what._tag === "Send" ? what.shard : undefined, { ids, total: first.total }).some(([id]) =>
        ids.includes(id)
      )
    )
  }
  const meant = own.flatMap(({ gateway, shards }) => (candidates.has(gateway) && has(shards) ? [gateway] : []))
  const ids = new Set(own.flatMap(({ shards }) => shards.map(({ id }) => id)))
  const hasAll = own.some(({ shards: [first] }) => first !== undefined && ids.size >= first.total)
  // Where no other process has shards it is made once, as any other.
  if (isForAll) return { gateways: meant, isForAll: !hasAll } satisfies Address
  const [gateway = hasAll ? own[0]?.gateway : undefined] = meant
  return { gateways: gateway === undefined ? [] : [gateway], isForAll } satisfies Address
})
