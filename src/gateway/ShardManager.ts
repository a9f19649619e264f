/**
 * The shards of a process: starts them, finds the ones to send through, and replaces them all to reshard.
 */
import type { GatewayPresenceUpdateData } from "discord-api-types/v10"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { RestartRequested } from "../schema/ConnectionError.ts"
import { InvalidConfig } from "../schema/FatalError.ts"
import { GatewayError, type GatewayErrorReason } from "../schema/GatewayError.ts"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import type { Payload } from "../schema/Payload.ts"
import { GatewayStopped, SendTimeout, UnknownShard } from "../schema/SendError.ts"
import { encodeSendEvent, route, type SendEvent } from "../schema/SendEvent.ts"
import { ShardEvent } from "../schema/ShardEvent.ts"
import { ShardId } from "../schema/ShardId.ts"
import { GatewayConfig } from "../services/GatewayConfig.ts"
import { GatewayDirectory } from "../services/GatewayDirectory.ts"
import type { Ownership } from "../services/GatewayOwner.ts"
import { SessionStore } from "../services/SessionStore.ts"
import { type ShardTotal, ShardTotalStore } from "../services/ShardTotalStore.ts"
import { Backoff } from "../shard/Backoff.ts"
import type { Shard, ShardServices } from "../shard/Shard.ts"
import type { ShardBuffer, ShardHost } from "../shard/ShardHost.ts"
import type { GatewayInstruments } from "./GatewayInstruments.ts"
import { Growth, type Standing } from "./Growth.ts"
import { OutsideGrowth } from "./OutsideGrowth.ts"
import * as Resharding from "./Resharding.ts"
import type { ShardEvents } from "./ShardEvents.ts"
import * as ShardGeneration from "./ShardGeneration.ts"

/**
 * Options of a send.
 *
 * @since 0.1.0
 * @category models
 */
export interface SendOptions {
  /** The shard to send through. By default that of the guild, all for a presence, otherwise the first. */
  readonly shard?: number | undefined
  /** Time limit until it is sent. Default: none. */
  readonly timeout?: Duration.Input | undefined
}

const fail = (reason: GatewayErrorReason) => Effect.fail(new GatewayError({ reason }))

const shardOf = (shards: ReadonlyMap<number, Shard>, id: number) =>
  Option.match(Option.fromUndefinedOr(shards.get(id)), {
    onNone: () => fail(new UnknownShard({ id, known: [...shards.keys()] })),
    onSome: Effect.succeed
  })

/** Makes the manager; `run` starts the shards. */
export const make = Effect.fnUntraced(function* (parts: {
  readonly log: ShardBuffer
  /** The dispatches that the program wants at the moment; undefined for all. */
  readonly wanted: () => ReadonlySet<string> | undefined
  /** Whether the program only passes dispatches on, which then need not be parsed. */
  readonly passesOn: () => boolean
  readonly events: ShardEvents
  readonly metrics: GatewayInstruments
  /** The context in which the metrics of shards are registered. */
  readonly metricContext: Context.Context<never>
  readonly onDispatch: (payload: Payload) => void
  /** Waits until the program wants the shards to connect. */
  readonly told: Effect.Effect<void>
  /** Ownership of the sessions; undefined where they are this process's alone. */
  readonly ownership: Ownership | undefined
}) {
  const config = yield* GatewayConfig
  const directory = yield* GatewayDirectory
  const sessions = yield* SessionStore
  const services = yield* Effect.context<ShardServices>()
  const { events, log } = parts
  let presence: GatewayPresenceUpdateData | undefined
  let current: ShardGeneration.ShardGeneration | undefined
  const started = yield* Deferred.make<void, GatewayError>()
  const failed = yield* Deferred.make<never, GatewayError>()
  const oneReshardAtATime = yield* Semaphore.make(1)
  let home: Scope.Scope | undefined
  // With a `gatewayUrl` nobody can be asked.
  const growing = config.shards === "auto" && config.gatewayUrl === undefined ? config.growth : false
  const standing = (): Standing => {
    const shards = [...(current?.shards.values() ?? [])]
    return {
      total: current?.total ?? 1,
      fullest: shards.reduce((most, { guilds }) => Math.max(most, guilds), 0),
      refusal: shards.find(({ refusal }) => refusal !== undefined)?.refusal
    }
  }
  const growth = new Growth({
    config,
    directory,
    standing,
    announce: events.announce,
    reshard: (total) => reshard(total),
    giveUp: (error) => Deferred.fail(failed, error)
  })
  const outside = yield* OutsideGrowth
  if (outside !== undefined) outside.watch(standing)
  const totals = growing === false ? undefined : yield* ShardTotalStore

  const host: Omit<ShardHost, "identifies"> = {
    buffer: log,
    announce: events.announce,
    onDispatch: parts.onDispatch,
    onLatency: parts.metrics.onLatency,
    onHeld: parts.metrics.onHeld,
    wanted: parts.wanted,
    passesOn: parts.passesOn,
    presence: () => presence,
    refused: ({ total }) => outside !== undefined || (growing !== false && current?.total === total),
    onRefused: () => (outside ?? growth).onRefusal(),
    fork: yield* FiberSet.makeRuntime<never, void, never>()
  }

  /** The shards that Discord recommends. Retries until it answers. */
  const recommended = Effect.gen(function* () {
    const backoff = new Backoff(config)
    while (true) {
      const answer = yield* Effect.result(directory.recent(Duration.minutes(1)))
      if (Result.isSuccess(answer)) {
        return Option.match(answer.success, { onNone: () => 1, onSome: ({ info }) => info.shards })
      }
      const error = answer.failure
      if (error.recovery === "fatal") return yield* error
      yield* events.announce((at) => ShardEvent.Disconnected({ shard: 0, at, reason: error.reason }))
      const delay = yield* backoff.next(error, undefined)
      yield* events.announce((at) => ShardEvent.Waiting({ shard: 0, at, delay }))
      yield* Effect.sleep(delay)
    }
  })

  /** The number of shards whose sessions the process before has left. */
  const left = (totals: ShardTotal) =>
    Effect.gen(function* () {
      const total = yield* totals.load
      if (Option.isNone(total)) return total
      // Sessions that were given up since are none to stay for.
      const session = yield* sessions.get(new ShardId({ id: 0, total: total.value }))
      return Option.map(session, () => total.value)
    }).pipe(
      Effect.retry(Schedule.spaced("1 second")),
      Effect.timeout(config.timeouts.storeRead),
      Effect.catch(({ message }) =>
        Effect.as(Effect.logWarning(`The number of shards cannot be read: ${message}`), Option.none<number>())
      )
    )

  const keepTotal = (total: number): Effect.Effect<void> =>
    totals === undefined
      ? Effect.void
      : totals.save(total).pipe(
          Effect.timeout(config.timeouts.store),
          Effect.catch(({ message }) => Effect.logWarning(`The number of shards cannot be stored: ${message}`))
        )

  /** As many shards as the process before has left sessions of, or as Discord recommends. */
  const automatic = Effect.gen(function* () {
    const before = totals === undefined ? Option.none<number>() : yield* left(totals)
    const total = Option.isSome(before) ? before.value : yield* recommended
    growth.recommended = Option.isSome(before) ? undefined : total
    host.fork(keepTotal(total))
    return ShardGeneration.shardIds(total)
  })

  /** Makes this generation the bot's: its failure is the gateway's. */
  const adopt = (generation: ShardGeneration.ShardGeneration) =>
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
      const { ownership, told } = parts
      yield* told
      if (ownership !== undefined) yield* ownership.take
      home = yield* Effect.scope
      const ids = config.shards === "auto" ? yield* automatic : config.shards
      const generation = yield* ShardGeneration.make(ids, host, yield* Scope.fork(home, "parallel"))
      yield* adopt(generation)
      yield* ShardGeneration.launch(generation, parts.metricContext)
      yield* Deferred.succeed(started, undefined)
      if (growing !== false) yield* Effect.forkScoped(growth.run(growing))
      const end = Deferred.await(failed)
      return yield* ownership === undefined ? end : Effect.raceFirst(end, ownership.lost)
    })
  ).pipe(Effect.onExit((exit) => Deferred.done(started, Exit.asVoid(exit))))

  const generation = Effect.flatMap(Deferred.await(started), () =>
    current === undefined ? fail(new GatewayStopped()) : Effect.succeed(current)
  )

  const send = (event: SendEvent, options: SendOptions = {}): Effect.Effect<void, GatewayError> => {
    const sending = Effect.gen(function* () {
      const frame = yield* frameOf(event)
      const { shards, total } = yield* generation
      const routes = yield* Effect.forEach(
        route(event, options.shard, { ids: [...shards.keys()], total }),
        ([id, part]) => Effect.all([shardOf(shards, id), part === event ? Effect.succeed(frame) : frameOf(part)])
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

  const restart = Effect.fnUntraced(function* (id: number) {
    const shard = yield* shardOf((yield* generation).shards, id)
    shard.reconnect(new RestartRequested())
  })

  const reshard = Effect.fnUntraced(
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
      const ids = ShardGeneration.shardIds(total)
      const next = yield* ShardGeneration.make(ids, host, yield* Scope.fork(outer, "parallel"))
      yield* Resharding.run({
        old,
        next,
        buffer: log,
        metrics: parts.metricContext,
        onSwitch: Effect.andThen(
          Effect.andThen(adopt(next), keepTotal(total)),
          events.announce((at) => ShardEvent.Resharded({ shard: 0, at, from: old.total, to: total }))
        )
      })
    },
    oneReshardAtATime.withPermits(1),
    Effect.withSpan(
      "ShardManager.reshard",
      { attributes: { "messaging.system": "discord" } },
      { captureStackTrace: false }
    ),
    Effect.provideContext(services)
  )

  return {
    run,
    /** Writes how far the session of a shard has come. */
    flush: (shard: number) => Effect.suspend(() => current?.shards.get(shard)?.flush ?? Effect.void),
    /** The program ends in peace, which the next process is to know. */
    endInPeace: Effect.suspend(() => current?.identifies.endInPeace ?? Effect.void),
    send,
    restart,
    reshard,
    /** The number of shards that Discord recommends. Undefined until it was asked, and where the number is set. */
    recommended: () => growth.recommended,
    shards: (): ReadonlyArray<Shard> => (current === undefined ? [] : [...current.shards.values()])
  }
})

const frameOf = (event: SendEvent) =>
  Effect.fromResult(Result.mapError(encodeSendEvent(event), (reason) => new GatewayError({ reason })))
