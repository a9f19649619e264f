/**
 * One machine of a simulated cluster: the library and Effect's cluster as they are, on a clock, a way to the database and a network
 * of its own. It can be paused, cut off, stopped in peace and killed.
 */
import * as Clock from "effect/Clock"
import * as MessageStorage from "effect/cluster/MessageStorage"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as RunnerHealth from "effect/cluster/RunnerHealth"
import * as Runners from "effect/cluster/Runners"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as Sharding from "effect/cluster/Sharding"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Persistence from "effect/persistence/Persistence"
import * as Scope from "effect/Scope"
import { WebSocketConstructor } from "effect/socket/Socket"
import { GatewayCluster } from "../../../src/cluster/GatewayCluster.ts"
import { intervals, shardingConfig } from "../../../src/cluster/ClusterTiming.ts"
import * as LockLeases from "../../../src/cluster/LockLeases.ts"
import { Gateway } from "../../../src/gateway/Gateway.ts"
import type { Payload } from "../../../src/schema/Payload.ts"
import * as FencedSessionStore from "../../../src/services/FencedSessionStore.ts"
import { FencedSessions } from "../../../src/services/FencedSessions.ts"
import { GatewayConfig } from "../../../src/services/GatewayConfig.ts"
import { GatewayConnection } from "../../../src/services/GatewayConnection.ts"
import { GatewayDirectory } from "../../../src/services/GatewayDirectory.ts"
import { Heartbeat } from "../../../src/services/Heartbeat.ts"
import { IdentifyLimiter } from "../../../src/services/IdentifyLimiter.ts"
import { permanent, usableShare } from "../../../src/services/ShardLease.ts"
import * as DatabaseLink from "./DatabaseLink.ts"
import type { Defect } from "./Defect.ts"
import * as LaterRelease from "./LaterRelease.ts"
import * as MachineClock from "./MachineClock.ts"
import { MachineNetwork } from "./MachineNetwork.ts"
import type { SimulatedDatabase } from "./SimulatedDatabase.ts"

/** Whether a machine was not killed, and whether it is not paused. */
export interface Vitals {
  readonly isAlive: () => boolean
  readonly isRunning: () => boolean
}

/** The world that machines live in. */
export interface World {
  readonly network: DatabaseLink.Network
  readonly database: SimulatedDatabase
  /** The store of the plan. */
  readonly backing: Persistence.BackingPersistence["Service"]
  /** The limits that the machines share. */
  readonly limiter: IdentifyLimiter["Service"]
  readonly discord: Context.Context<HttpClient.HttpClient | WebSocketConstructor>
  readonly token: string
  readonly shards: number
  readonly parts: number
  readonly defect: Defect | undefined
  readonly handle: (machine: string, payload: Payload, vitals: Vitals) => Effect.Effect<void>
}

/** A running machine. */
export interface Machine {
  readonly name: string
  readonly clock: MachineClock.MachineClock
  readonly link: DatabaseLink.DatabaseLink
  readonly network: MachineNetwork
  readonly pause: () => void
  readonly resume: () => void
  /** Ends it in peace. It takes a moment. */
  readonly stop: Effect.Effect<void>
  /** SIGKILL. */
  readonly kill: Effect.Effect<void>
  /** The states of its shards. */
  readonly states: Effect.Effect<ReadonlyArray<string>>
  /** Why it has ended by itself, if it has. */
  readonly failure: () => string | undefined
}

/** Milliseconds for which a machine acts without its lock being confirmed. */
const leaseTime = Duration.toMillis(intervals.shardLockExpiration) * usableShare

/** Starts a machine, of a later release or of this one. */
export const start = Effect.fnUntraced(function* (world: World, number: number, latency: number, isLater: boolean) {
  const name = `machine-${number}:1`
  const clock = MachineClock.make(world.network.clock)
  const link = DatabaseLink.make(clock, world.network, latency)
  const network = new MachineNetwork(clock)
  const scope = yield* Scope.make()
  const address = RunnerAddress.make(`machine-${number}`, 1)
  const { database, defect } = world
  const call = <A>(work: () => A) => link.call(Effect.sync(work))

  const storage = RunnerStorage.makeEncoded({
    getRunners: call(() => database.list()),
    register: (machine, runner, isHealthy) => call(() => database.register(machine, runner, isHealthy)),
    unregister: (machine) => call(() => database.unregister(machine)),
    setRunnerHealth: (machine, isHealthy) => call(() => database.setHealth(machine, isHealthy)),
    acquire: (machine, locks) => call(() => database.acquire(machine, locks, clock.currentTimeMillisUnsafe())),
    refresh: (machine, locks) => call(() => database.refresh(machine, locks, clock.currentTimeMillisUnsafe())),
    release: (machine, lock) => call(() => database.release(machine, lock)),
    releaseAll: (machine) => call(() => database.releaseAll(machine))
  })
  const sessions = FencedSessions.of({
    readBeside: (shard, names) => call(() => database.readBeside(shard, names)),
    writeBeside: (texts) => call(() => database.writeBeside(texts)),
    take: (rows) =>
      Effect.suspend(() => {
        const asked = world.network.clock.currentTimeMillisUnsafe()
        const isLate = () => world.network.clock.currentTimeMillisUnsafe() - asked > leaseTime
        return call(() => database.take(name, rows, isLate()))
      }),
    write: (writes) => {
      const stored = isLater
        ? writes.map((write) => ({ ...write, session: write.session && LaterRelease.storedSession(write.session) }))
        : writes
      return defect === "late-hand-over"
        ? Effect.forkIn(
            Effect.delay(link.call(Effect.sync(() => database.write(stored))), "3 seconds"),
            world.network.scope
          ).pipe(Effect.as(new Set(writes.map(({ shard }) => shard))))
        : call(() => database.write(stored))
    }
  })
  const backing = Persistence.BackingPersistence.of({
    make: (store) =>
      Effect.map(world.backing.make(store), (kept) => ({
        get: (key) => link.call(kept.get(key)),
        getMany: (keys) => link.call(kept.getMany(keys)),
        set: (key, value, ttl) => link.call(kept.set(key, isLater ? LaterRelease.storedPlan(value) : value, ttl)),
        setMany: (entries) => link.call(kept.setMany(entries)),
        remove: (key) => link.call(kept.remove(key)),
        clear: link.call(kept.clear)
      }))
  })

  const locks = LockLeases.layer(intervals.shardLockExpiration).pipe(
    Layer.provide(Layer.succeed(RunnerStorage.RunnerStorage, storage))
  )
  const trusting = Layer.effectContext(
    Effect.map(Layer.build(locks), (context) =>
      defect === "lease-ignored" ? Context.add(context, LockLeases.LockLeases, () => permanent) : context
    )
  )
  const settings = ShardingConfig.layer(
    shardingConfig({
      runnerAddress: Option.some(address),
      runnerListenAddress: Option.some(address),
      shardsPerGroup: world.parts
    })
  )
  const sharding = Sharding.layer.pipe(
    Layer.provide(Runners.layerNoop),
    Layer.provideMerge(trusting),
    Layer.provide([MessageStorage.layerNoop, RunnerHealth.layerNoop]),
    Layer.provideMerge(settings)
  )
  const stores = FencedSessionStore.layer(intervals.shardLockExpiration).pipe(
    Layer.provide(Layer.succeed(FencedSessions, sessions)),
    Layer.provideMerge(Layer.succeed(Persistence.BackingPersistence, backing))
  )
  const discord = Layer.succeedContext(
    Context.make(WebSocketConstructor, network.construct(Context.get(world.discord, WebSocketConstructor))).pipe(
      Context.add(HttpClient.HttpClient, network.http(Context.get(world.discord, HttpClient.HttpClient)))
    )
  )
  const limiter =
    defect === "limit-per-machine" ? IdentifyLimiter.layerMemory : Layer.succeed(IdentifyLimiter, world.limiter)
  const program = Effect.flatMap(Gateway, (gateway) =>
    gateway.runForEach(
      (payload) => world.handle(name, payload, { isAlive: () => !isDead, isRunning: clock.isRunning }),
      { concurrency: 4 }
    )
  )

  let failure: string | undefined
  let isDead = false
  const running = yield* Layer.buildWithScope(
    // Machines share no part, though they are in one process.
    Layer.fresh(
      GatewayCluster.layer(program).pipe(
        Layer.provide([sharding, stores, limiter, GatewayConnection.layer, Heartbeat.layer]),
        Layer.provide(GatewayDirectory.layer),
        Layer.provide(discord),
        Layer.provide(GatewayConfig.layer({ token: world.token, shards: world.shards, compression: "none" }))
      )
    ),
    scope
  ).pipe(
    Effect.map((context) => Context.get(context, GatewayCluster)),
    Effect.tap((cluster) =>
      Effect.forkIn(
        Effect.catch(cluster.failure, (error) =>
          Effect.sync(() => {
            failure = error.message
          })
        ),
        scope
      )
    ),
    Effect.exit,
    Effect.provideService(Clock.Clock, clock),
    Effect.forkIn(scope)
  )

  if (defect === "renewed-while-hung") {
    yield* Effect.sync(() => database.refreshAll(name)).pipe(
      Effect.delay(1000),
      Effect.forever,
      Effect.provideService(Clock.Clock, world.network.clock),
      Effect.forkIn(scope)
    )
  }

  /** As a process ends on a signal: what is still starting is interrupted before what has started ends. */
  const close = Effect.andThen(Fiber.interrupt(running), Scope.close(scope, Exit.void)).pipe(
    Effect.provideService(Clock.Clock, clock)
  )
  const machine: Machine = {
    name,
    clock,
    link,
    network,
    pause: clock.pause,
    resume: () => {
      clock.resume()
      network.release()
    },
    stop: close,
    kill: Effect.suspend(() => {
      isDead = true
      link.die()
      network.die()
      clock.resume()
      // It ends for nobody, perhaps never: an answer that it waits for does not come.
      return Effect.asVoid(Effect.forkDetach(close))
    }),
    states: Effect.suspend(() => {
      const exit = running.pollUnsafe()
      if (exit === undefined || Exit.isFailure(exit) || Exit.isFailure(exit.value)) return Effect.succeed([])
      return Effect.map(exit.value.value.here, (shards) => shards.map(({ state }) => state))
    }),
    failure: () => {
      const exit = running.pollUnsafe()
      if (exit !== undefined && Exit.isSuccess(exit) && Exit.isFailure(exit.value)) return String(exit.value.cause)
      return failure
    }
  }
  return machine
})
