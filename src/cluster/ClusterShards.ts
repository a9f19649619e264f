/**
 * The shards of one machine of a cluster: registers those of each part as a singleton, runs the program on those that the cluster
 * gives to this machine, answers for them, and follows the plan when the cluster is resharded.
 */
import * as Entity from "effect/cluster/Entity"
import type { EntityAddress } from "effect/cluster/EntityAddress"
import * as EntityId from "effect/cluster/EntityId"
import * as Sharding from "effect/cluster/Sharding"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { UnsupportedVersion } from "../schema/FatalError.ts"
import { ShardId } from "../schema/ShardId.ts"
import type { ShardState } from "../schema/ShardStatus.ts"
import { Gateway, type GatewayServices } from "../gateway/Gateway.ts"
import { OutsideGrowth } from "../gateway/OutsideGrowth.ts"
import { GatewayConfig } from "../services/GatewayConfig.ts"
import { SessionStore } from "../services/SessionStore.ts"
import { type Lease, permanent, ShardLease } from "../services/ShardLease.ts"
import { type ClusterMessage, ClusterProtocol, NewerMessage } from "./ClusterMessage.ts"
import type { ClusterGrowth } from "./ClusterGrowth.ts"
import type { Plan } from "./ClusterPlan.ts"
import * as FencedSessionStore from "../services/FencedSessionStore.ts"
import { bodies, ClusterShardStatus, DiscordShard, eventOf, movingStatus } from "./DiscordShard.ts"
import { LockLeases } from "./LockLeases.ts"
import { type LocalShards, startingTime } from "./LocalShards.ts"
import type { NameOf } from "./ShardNames.ts"

/** Parts that a machine's shards work with. */
export interface Parts<E, R, E2> {
  readonly program: Effect.Effect<unknown, E, R>
  readonly local: LocalShards
  readonly nameOf: NameOf
  readonly onFailure: (shard: ShardId, cause: Cause.Cause<unknown>) => Effect.Effect<unknown>
  readonly plan: Plan
  /** Undefined where the cluster keeps its number of shards. */
  readonly growth: ClusterGrowth | undefined
  /** The plan as it is now. */
  readonly read: Effect.Effect<Option.Option<Plan>, E2 | UnsupportedVersion>
  readonly onPlan: (plan: Plan) => void
  /** The cluster is of a later release than this machine, which has to leave it. */
  readonly onNewer: (found: UnsupportedVersion) => Effect.Effect<unknown>
}

/** Shards of the same total. */
interface Generation {
  readonly scope: Scope.Closeable
  /** Open once programs get the events of these shards. */
  readonly live: Latch.Latch
}

/** Shard group of singletons and entities that name none. */
export const shardGroup = "default"

/**
 * Shards that are started at once. A machine that started hundreds in one turn of its event loop would answer nothing meanwhile,
 * and lose the locks that it does not refresh.
 */
const startingAtOnce = 16
/** Interval at which a shard that starts is looked at. */
const lookingAtStart = Duration.millis(20)
/**
 * Looks for which a shard counts as starting: Discord may be slow, and is not to hold up the next one. A quarter of a second, and
 * more where the machine has more to do than it can: then it takes longer from look to look.
 */
const startingLooks = 12

const handshakes: ReadonlySet<ShardState> = new Set(["connecting", "greeting", "resuming", "identifying"])

/** Waits for the end of the handshake, as long as the shard counts as starting. */
const connected = (gateway: Gateway["Service"]) =>
  Effect.repeat(
    Effect.map(gateway.shards, (shards) => shards.some(({ state }) => handshakes.has(state))),
    { while: (isConnecting) => isConnecting, schedule: Schedule.spaced(lookingAtStart), times: startingLooks }
  )

/** Interval at which a machine reads the plan. */
const lookingTime = Duration.seconds(2)

/** Time for which the old shards go on beside the new ones: until every machine has read the plan, and the latest event is in. */
const overlapTime = Duration.seconds(5)

/** Time until every machine has followed the plan. */
export const switchTime = Duration.sum(lookingTime, overlapTime)

/** Runs the machine's shards in the scope. */
export const run = Effect.fnUntraced(function* <E, R, E2>(parts: Parts<E, R, E2>) {
  const sharding = yield* Sharding.Sharding
  const config = yield* GatewayConfig
  // A shard's scope is that of its singleton, not the machine's.
  const services = Context.omit(Scope.Scope)(yield* Effect.context<GatewayServices | Exclude<R, Gateway>>())
  const scope = yield* Effect.scope
  const { local, nameOf } = parts
  const generations = new Map<number, Generation>()
  const leaseOfLock = yield* LockLeases
  const partOf = (shard: ShardId) => sharding.getShardId(EntityId.make(nameOf(shard)), shardGroup)
  const leaseOf = (shard: ShardId) => (leaseOfLock === undefined ? permanent : leaseOfLock(partOf(shard)))

  const sessions = yield* SessionStore

  const starting = yield* Semaphore.make(startingAtOnce)

  const runShard = (shard: ShardId, live: Latch.Latch) =>
    Effect.gen(function* () {
      const lease = leaseOf(shard)
      const growth = parts.growth === undefined ? undefined : yield* parts.growth.ofShard
      const context = yield* Layer.build(Layer.fresh(Gateway.layerNoDeps)).pipe(
        // A shard that moves while it starts has perhaps identified already.
        Effect.tap((context) => Effect.addFinalizer(() => handshakeOf(Context.get(context, Gateway), lease))),
        Effect.tap((context) => connected(Context.get(context, Gateway))),
        Effect.provideService(GatewayConfig, {
          ...config,
          shards: [shard],
          // Before the switch of a reshard no program runs that could connect.
          connect: live.isOpen() ? config.connect : "auto",
          // Another machine has stored a session: without it the shard would identify.
          timeouts: { ...config.timeouts, storeRead: Duration.infinity }
        }),
        Effect.provideService(ShardLease, lease),
        Effect.provideService(OutsideGrowth, growth),
        Effect.provideService(
          SessionStore,
          leaseOfLock === undefined ? sessions : FencedSessionStore.under(lease, sessions)
        ),
        starting.withPermits(1)
      )
      const gateway = yield* Effect.provideContext(Gateway, context)
      yield* local.host(nameOf(shard), gateway)
      if (!live.isOpen()) {
        // Until the switch programs get the events of the old shards, and these are discarded.
        const draining = yield* Effect.forkScoped(Stream.runDrain(gateway.payloads))
        yield* Effect.raceFirst(live.await, Fiber.join(draining))
        yield* Effect.forkScoped(Effect.delay(Fiber.interrupt(draining), "1 second"))
      }
      yield* Effect.provideContext(parts.program, context)
      // A program that ends leaves its shard connected.
      return yield* Effect.never
    }).pipe(
      Effect.scoped,
      Effect.tapCause((cause) => (Cause.hasInterruptsOnly(cause) ? Effect.void : parts.onFailure(shard, cause))),
      Effect.ignoreCause,
      Effect.provideContext(services)
    )

  const launch = Effect.fnUntraced(function* (total: number) {
    // All shards of a machine that stops are stopped at once.
    const generation = { scope: yield* Scope.fork(scope, "parallel"), live: Latch.makeUnsafe(false) }
    generations.set(total, generation)
    return generation
  })

  /**
   * One singleton for the shards of a part, which move together: whenever one stops, the engine goes through all that are
   * registered, and with one for each of thousands of shards a machine that gave a third of them away would do nothing else.
   */
  const register = (total: number, { live, scope }: Generation) =>
    Effect.forEach(
      Object.entries(
        Arr.groupBy(
          Array.from({ length: total }, (_, id) => new ShardId({ id, total })),
          (shard) => String(partOf(shard).id)
        )
      ),
      ([, [first, ...others]]) =>
        Scope.provide(
          sharding.registerSingleton(
            nameOf(first),
            Effect.forEach([first, ...others], (shard) => runShard(shard, live), {
              concurrency: "unbounded",
              discard: true
            })
          ),
          scope
        ),
      { discard: true }
    )

  const follow = Effect.fnUntraced(function* ({ early, next, total }: Plan) {
    for (const wanted of next === undefined ? [total] : [total, next]) {
      const isNew = !generations.has(wanted)
      const generation = generations.get(wanted) ?? (yield* launch(wanted))
      if (wanted === total || early === true) yield* generation.live.open
      if (isNew) yield* register(wanted, generation)
    }
    for (const [old, { scope: oldScope }] of generations) {
      if (old === total || old === next) continue
      generations.delete(old)
      yield* Effect.forkIn(Effect.delay(Scope.close(oldScope, Exit.void), overlapTime), scope)
    }
  })

  yield* follow(parts.plan)
  yield* Effect.flatMap(Effect.result(parts.read), (found) => {
    // A store that does not answer is asked again.
    if (Result.isFailure(found)) {
      return found.failure instanceof UnsupportedVersion ? parts.onNewer(found.failure) : Effect.void
    }
    if (Option.isNone(found.success)) return Effect.void
    parts.onPlan(found.success.value)
    return follow(found.success.value)
  }).pipe(Effect.delay(lookingTime), Effect.forever, Effect.forkScoped)

  // Registered last, it is the first to end: the others are told that this machine leaves, then its shards stop.
  yield* Layer.build(DiscordShard.toLayer(handlers(local), { concurrency: "unbounded" }))
})

/** Time for which a READY is waited for in any case: shorter than what is left of a lock that cannot be refreshed. */
const handshakeTime = Duration.millis(1500)
/** Time for which it is waited for besides, as long as the lock is refreshed. */
const moreHandshakeTime = Duration.seconds(8)

/** Waits for the end of a state, but no longer than that. */
const waitWhile = (isWaiting: Effect.Effect<boolean>, time: Duration.Duration) =>
  isWaiting.pipe(
    Effect.repeat({ while: (waits) => waits, schedule: Schedule.spaced("20 millis") }),
    Effect.timeoutOption(time)
  )

/** Waits for the READY of an IDENTIFY that was sent: without a session the machine that is next would identify, too. */
const handshakeOf = (gateway: Gateway["Service"], lease: Lease) => {
  const isIdentifying = Effect.map(gateway.shards, (shards) => shards.some(({ state }) => state === "identifying"))
  const isIdentifyingUnderLease = Effect.map(isIdentifying, (identifies) => identifies && lease.isHeld())
  return waitWhile(isIdentifying, handshakeTime).pipe(
    Effect.andThen(waitWhile(isIdentifyingUnderLease, moreHandshakeTime)),
    // Detached, because the shard is being interrupted and this wait must go on.
    Effect.forkDetach,
    Effect.flatMap(Fiber.await)
  )
}

const handlers = (local: LocalShards) =>
  Effect.gen(function* () {
    const { host, port } = yield* Entity.CurrentRunnerAddress
    const machine = `${host}:${port}`
    const reads = yield* ClusterProtocol
    /** Newer versions of messages that the log has already told of. */
    const told = new Set<number>()

    /** Answers a message in its own version, or refuses it. */
    const answer =
      <Q, A>(
        question: { readonly read: (message: ClusterMessage) => Effect.Effect<Q> },
        reply: { readonly write: (value: A, version: number) => Effect.Effect<ClusterMessage> },
        work: (name: string, question: Q) => Effect.Effect<A>
      ) =>
      ({ address, payload }: { readonly address: EntityAddress; readonly payload: ClusterMessage }) =>
        Effect.gen(function* () {
          const { version } = payload
          if (version > reads) {
            const refusal = new NewerMessage({ machine, version, reads })
            if (!told.has(version)) yield* Effect.logWarning(refusal.message)
            told.add(version)
            return yield* refusal
          }
          return yield* reply.write(yield* work(address.entityId, yield* question.read(payload)), version)
        })

    return DiscordShard.of({
      Send: answer(bodies.frame, bodies.done, (name, frame) =>
        Effect.result(
          Effect.flatMap(Effect.all([local.gatewayOf(name), eventOf(frame)]), ([gateway, event]) => gateway.send(event))
        )
      ),
      Status: answer(bodies.nothing, bodies.status, (name) =>
        local.gatewayOf(name).pipe(
          Effect.flatMap((gateway) => gateway.shards),
          Effect.timeoutOption(startingTime),
          Effect.map((answer) => {
            const [status] = Option.getOrElse(answer, () => [])
            const common = { shard: shardOf(name), machine: Option.some(machine) }
            if (status === undefined) return new ClusterShardStatus({ ...movingStatus, ...common })
            return new ClusterShardStatus({
              ...status,
              ...common,
              since: Option.some(status.since)
            })
          })
        )
      ),
      Restart: answer(bodies.nothing, bodies.done, (name) =>
        Effect.result(Effect.flatMap(local.gatewayOf(name), (gateway) => gateway.restart(shardOf(name).id)))
      )
    })
  })

/** The shard of an entity's name. */
const shardOf = (name: string): ShardId => {
  const [, id = "0", total = "1"] = /(\d+)\/(\d+)$/.exec(name) ?? []
  return new ShardId({ id: Number(id), total: Number(total) })
}
