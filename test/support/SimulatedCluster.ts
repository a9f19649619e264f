/**
 * A cluster of one machine on the simulated Discord, in virtual time. What its machines share outlives it.
 */
import * as MessageStorage from "effect/cluster/MessageStorage"
import * as RunnerHealth from "effect/cluster/RunnerHealth"
import * as Runners from "effect/cluster/Runners"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as Sharding from "effect/cluster/Sharding"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Persistence from "effect/persistence/Persistence"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { shardingConfig } from "../../src/cluster/ClusterTiming.ts"
import { GatewayCluster } from "../../src/cluster/GatewayCluster.ts"
import type { Gateway } from "../../src/gateway/Gateway.ts"
import { GatewayConfig, type GatewayOptions } from "../../src/services/GatewayConfig.ts"
import { GatewayConnection } from "../../src/services/GatewayConnection.ts"
import { GatewayDirectory } from "../../src/services/GatewayDirectory.ts"
import { Heartbeat } from "../../src/services/Heartbeat.ts"
import { IdentifyLimiter } from "../../src/services/IdentifyLimiter.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import type { MemoryOptions } from "../../src/simulator/SimulatorOptions.ts"
import * as SimulatedBot from "./SimulatedBot.ts"

/** Discord, and the store that outlives a machine. */
export const shared = (options: MemoryOptions = {}) =>
  Layer.merge(SimulatedBot.discord(options), Persistence.layerBackingMemory)

const alone = (shardsPerGroup: number) =>
  Sharding.layer.pipe(
    Layer.provide(Runners.layerNoop),
    Layer.provide([MessageStorage.layerNoop, RunnerStorage.layerMemory, RunnerHealth.layerNoop]),
    // As with NodeCluster, where the cluster asks in how many parts this machine has it.
    Layer.provideMerge(
      // Nobody else takes its locks, so the engine may look at them seldom, in a test of hours.
      ShardingConfig.layer(
        shardingConfig({
          shardsPerGroup,
          shardLockExpiration: "1 hour",
          shardLockRefreshInterval: "20 minutes",
          refreshAssignmentsInterval: "10 minutes",
          entityMessagePollInterval: "10 minutes",
          runnerHealthCheckInterval: "10 minutes"
        })
      )
    )
  )

/** Begins to start the machine, which leaves with the scope or before: that takes time, which passes meanwhile. */
export const launch = Effect.fnUntraced(function* <E>(
  program: Effect.Effect<unknown, E, Gateway>,
  config: Partial<GatewayOptions>,
  shardsPerGroup = 4
) {
  const scope = yield* Scope.make()
  const leave = passing(Scope.close(scope, Exit.void))
  yield* Effect.addFinalizer(() => leave)
  const services = Layer.mergeAll(SessionStore.layerPersisted, IdentifyLimiter.layerMemory, alone(shardsPerGroup)).pipe(
    Layer.provideMerge(Layer.mergeAll(GatewayConnection.layer, GatewayDirectory.layer, Heartbeat.layer)),
    Layer.provideMerge(GatewayConfig.layer({ token: "simulated-token", compression: "none", ...config }))
  )
  const starting = Layer.buildWithScope(Layer.fresh(GatewayCluster.layer(program).pipe(Layer.provide(services))), scope)
  return { starting: yield* Effect.forkIn(starting, scope), leave }
})

/** Starts the machine. */
export const start = Effect.fnUntraced(function* <E>(
  program: Effect.Effect<unknown, E, Gateway>,
  config: Partial<GatewayOptions>,
  shardsPerGroup?: number
) {
  const { leave, starting } = yield* launch(program, config, shardsPerGroup)
  const context = yield* passing(Fiber.join(starting))
  return { cluster: Context.get(context, GatewayCluster), leave }
})

/** Lets ten seconds pass while an effect goes on. */
export const passing = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkDetach(effect)
    yield* TestClock.adjust("10 seconds")
    return yield* Fiber.join(fiber)
  })
