/**
 * The shards of a gateway: starts them, finds the ones to send through, and replaces them all to reshard.
 */
import type { GatewayPresenceUpdateData } from "discord-api-types/v10"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { RestartRequested, SystemSlept } from "../schema/ConnectionError.ts"
import { InvalidConfig } from "../schema/FatalError.ts"
import { GatewayError, type GatewayErrorReason } from "../schema/GatewayError.ts"
import { GatewayStopped, SendTimeout, UnknownShard } from "../schema/SendError.ts"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import type { Payload } from "../schema/Payload.ts"
import { encodeSendEvent, route, type SendEvent } from "../schema/SendEvent.ts"
import { ShardEvent } from "../schema/ShardEvent.ts"
import { ShardId } from "../schema/ShardId.ts"
import { Backoff } from "../shard/Backoff.ts"
import type { Delivery } from "./Delivery.ts"
import { GatewayConfig } from "../services/GatewayConfig.ts"
import { GatewayDirectory } from "../services/GatewayDirectory.ts"
import * as GatewayMetrics from "./GatewayMetrics.ts"
import * as Resharding from "./Resharding.ts"
import * as Shard from "../shard/Shard.ts"
import type { ShardEvents } from "./ShardEvents.ts"
import * as SleepDetector from "./SleepDetector.ts"

/** The shards that run at one time, of the same total. */
interface Generation {
  readonly total: number
  readonly shards: ReadonlyMap<number, Shard.Shard>
  readonly scope: Scope.Closeable
  /** Fails with the first shard that cannot go on. */
  readonly failed: Deferred.Deferred<never, GatewayError>
  /** Through what its payloads pass before they are handed on: all of them, unless it is being replaced. */
  readonly filter: { current: (payloads: ReadonlyArray<Payload>) => ReadonlyArray<Payload> }
}

/** How a payload is sent. */
export interface SendOptions {
  /** The shard to send through. By default that of the guild, all for a presence, otherwise the first. */
  readonly shard?: number | undefined
  /** How long it may take until it is sent. By default as long as it takes. */
  readonly timeout?: Duration.Input | undefined
}

const fail = (reason: GatewayErrorReason) => Effect.fail(new GatewayError({ reason }))
const everything = (payloads: ReadonlyArray<Payload>) => payloads

/** How long both sets of shards are heard around a switch: longer than an event is late on one of them. */
const overlapTime = Duration.seconds(5)

/** Puts the fleet together; `run` starts it. */
export const make = Effect.fnUntraced(function* (parts: {
  readonly delivery: Delivery
  readonly events: ShardEvents
  readonly metrics: GatewayMetrics.GatewayMetrics
  readonly onDispatch: (payload: Payload) => void
}) {
  const config = yield* GatewayConfig
  const directory = yield* GatewayDirectory
  const services = yield* Effect.context<Shard.Services>()
  const { delivery, events } = parts
  let presence: GatewayPresenceUpdateData | undefined
  let current: Generation | undefined
  const started = yield* Deferred.make<void, GatewayError>()
  const fork = yield* FiberSet.makeRuntime<never, void, never>()
  const oneReshardAtATime = yield* Semaphore.make(1)

  const makeGeneration = Effect.fnUntraced(function* (ids: ReadonlyArray<ShardId>, scope: Scope.Closeable) {
    const filter: Generation["filter"] = { current: everything }
    const shared: Shard.Shared = {
      ...parts,
      fork,
      presence: () => presence,
      delivery: {
        isFull: delivery.isFull,
        room: delivery.room,
        size: delivery.size,
        append: (payloads, size, onHandled, onComplete) => {
          const fresh = filter.current(payloads)
          if (fresh.length === 0) onHandled(payloads)
          delivery.append(fresh, fresh.length === 0 ? 0 : size, onHandled, onComplete)
        }
      }
    }
    const shards = yield* Effect.forEach(ids, (id) => Shard.make(id, shared))
    return {
      total: ids[0]?.total ?? 1,
      shards: new Map(shards.map((shard) => [shard.id.id, shard])),
      scope,
      failed: yield* Deferred.make<never, GatewayError>(),
      filter
    } satisfies Generation
  })

  const launch = Effect.fnUntraced(function* ({ failed, scope, shards }: Generation) {
    yield* Scope.provide(GatewayMetrics.observeShards(shards.values()), scope)
    for (const shard of shards.values()) {
      yield* shard.run.pipe(
        Effect.tapCause((cause) => (Cause.hasInterruptsOnly(cause) ? Effect.void : Deferred.failCause(failed, cause))),
        Effect.forkIn(scope)
      )
    }
    yield* Effect.forkIn(
      SleepDetector.watch((slept) => {
        for (const shard of shards.values()) shard.reconnect(new SystemSlept({ slept }))
      }),
      scope
    )
  })

  /** Discord's recommendation, for which it is asked until it answers. */
  const recommended = Effect.gen(function* () {
    const backoff = new Backoff(config)
    while (true) {
      const answer = yield* Effect.result(directory.recent(Duration.minutes(1)))
      if (Result.isSuccess(answer)) {
        const total = Option.match(answer.success, { onNone: () => 1, onSome: ({ info }) => info.shards })
        return shardIds(total)
      }
      const error = answer.failure
      if (error.recovery === "fatal") return yield* error
      yield* events.announce((at) => ShardEvent.Disconnected({ shard: 0, at, reason: error.reason }))
      const delay = yield* backoff.next(error, undefined)
      yield* events.announce((at) => ShardEvent.Waiting({ shard: 0, at, delay }))
      yield* Effect.sleep(delay)
    }
  })

  const failed = yield* Deferred.make<never, GatewayError>()
  let home: Scope.Scope | undefined

  /** From now on this generation is the fleet: its failure is that of the gateway. */
  const adopt = (generation: Generation) =>
    Effect.suspend(() => {
      current = generation
      return Deferred.await(generation.failed).pipe(
        Effect.tapCause((cause) => (Cause.hasInterruptsOnly(cause) ? Effect.void : Deferred.failCause(failed, cause))),
        Effect.forkIn(generation.scope)
      )
    })

  /** Runs the shards until one of them cannot go on. */
  const run = Effect.scoped(
    Effect.gen(function* () {
      home = yield* Effect.scope
      const ids = config.shards === "auto" ? yield* recommended : config.shards
      const generation = yield* makeGeneration(ids, yield* Scope.fork(home, "parallel"))
      yield* adopt(generation)
      yield* launch(generation)
      yield* Deferred.succeed(started, undefined)
      return yield* Deferred.await(failed)
    })
  ).pipe(Effect.onExit((exit) => Deferred.done(started, Exit.asVoid(exit))))

  const generation = Effect.flatMap(Deferred.await(started), () =>
    current === undefined ? fail(new GatewayStopped()) : Effect.succeed(current)
  )

  const shardOf = ({ shards }: Generation, id: number) =>
    Option.match(Option.fromUndefinedOr(shards.get(id)), {
      onNone: () => fail(new UnknownShard({ id, known: [...shards.keys()] })),
      onSome: Effect.succeed
    })

  // -------------------------------------------------------------------------------------------------------------------
  // Sending
  // -------------------------------------------------------------------------------------------------------------------

  const send = (event: SendEvent, options: SendOptions = {}): Effect.Effect<void, GatewayError> => {
    const sending = Effect.gen(function* () {
      yield* frameOf(event)
      const fleet = yield* generation
      const routes = yield* Effect.forEach(
        route(event, options.shard, { ids: [...fleet.shards.keys()], total: fleet.total }),
        ([id, part]) => Effect.all([shardOf(fleet, id), frameOf(part)])
      )
      if (event.op === GatewayOpcode.PresenceUpdate && !("raw" in event)) {
        if (options.shard === undefined) presence = event.d
        for (const [shard] of routes) shard.setPresence(options.shard === undefined ? undefined : event.d)
      }
      yield* Effect.forEach(routes, ([shard, frame]) => shard.sendQueue.send(frame), {
        concurrency: "unbounded",
        discard: true
      })
    })
    if (options.timeout === undefined) return sending
    const after = Duration.fromInputUnsafe(options.timeout)
    return Effect.timeoutOrElse(sending, {
      duration: after,
      orElse: () => fail(new SendTimeout({ after, what: "sent" }))
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Control
  // -------------------------------------------------------------------------------------------------------------------

  const restart = Effect.fnUntraced(function* (id: number) {
    const shard = yield* shardOf(yield* generation, id)
    shard.reconnect(new RestartRequested())
  })

  const reshard = Effect.fn("Fleet.reshard")(
    function* (total: number) {
      const old = yield* generation
      const outer = home
      if (old.shards.size !== old.total || outer === undefined || !(Number.isInteger(total) && total >= 1)) {
        return yield* fail(
          new InvalidConfig({
            option: "shards",
            description: `resharding to ${total} takes a gateway that runs all shards of the bot, and a number of them`
          })
        )
      }
      const overlap = Resharding.make()
      const next = yield* makeGeneration(shardIds(total), yield* Scope.fork(outer, "parallel"))
      next.filter.current = (payloads) => overlap.hear("new", payloads)
      old.filter.current = (payloads) => overlap.hear("old", payloads)
      yield* Effect.gen(function* () {
        yield* launch(next)
        const ready = Effect.forEach(next.shards.values(), (shard) => shard.whenReady, {
          concurrency: "unbounded",
          discard: true
        })
        yield* Effect.raceFirst(ready, Deferred.await(next.failed))
        // What is under way on one set of shards when the other takes over arrives within this time on both sides of it.
        yield* Effect.sleep(overlapTime)
      }).pipe(Effect.onError(() => settle(old, next)))

      overlap.switchOver()
      yield* adopt(next)
      yield* events.announce((at) => ShardEvent.Resharded({ shard: 0, at, from: old.total, to: total }))
      yield* Effect.sleep(overlapTime).pipe(
        Effect.andThen(sendsDone(old)),
        Effect.andThen(settle(next, old)),
        Effect.andThen(Effect.forEach(old.shards.values(), (shard) => shard.forget, { discard: true })),
        Effect.uninterruptible
      )
    },
    oneReshardAtATime.withPermits(1),
    Effect.provideContext(services)
  )

  return {
    run,
    send,
    restart,
    reshard,
    shards: (): ReadonlyArray<Shard.Shard> => (current === undefined ? [] : [...current.shards.values()])
  }
})

/** One generation is the fleet, the other ends. */
const settle = (winner: Generation, loser: Generation) =>
  Effect.andThen(
    Effect.sync(() => {
      winner.filter.current = everything
      loser.filter.current = () => []
    }),
    Scope.close(loser.scope, Exit.void)
  )

const frameOf = (event: SendEvent) =>
  Effect.fromResult(Result.mapError(encodeSendEvent(event), (reason) => new GatewayError({ reason })))

/** What waits to be sent on shards that are to end is given a minute. */
const sendsDone = ({ shards }: Generation) =>
  Effect.sleep("100 millis").pipe(
    Effect.repeat({ while: () => [...shards.values()].some((shard) => shard.status.waitingToSend > 0) }),
    Effect.timeoutOption("1 minute")
  )

const shardIds = (total: number): ReadonlyArray<ShardId> =>
  Array.from({ length: total }, (_, id) => new ShardId({ id, total }))
