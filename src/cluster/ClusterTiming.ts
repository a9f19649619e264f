/**
 * Intervals of the cluster, which decide how soon a machine that is gone is missed.
 *
 * The engine's own intervals suit entities whose start is dear. A shard's move costs a RESUME and no event, so ours are
 * short: a machine that was killed is missed after 5 seconds. One that is told to stop says so itself.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as ShardingConfig from "effect/cluster/ShardingConfig"

const lockExpiration = Duration.seconds(5)

/**
 * The intervals; docs/cluster.md has their cost.
 *
 * A machine that cannot reach the database stops its shards after at most two thirds of `shardLockExpiration`, the others
 * can take them when all of it has passed.
 *
 * @since 0.1.0
 * @category constants
 */
export const intervals = {
  shardLockExpiration: lockExpiration,
  shardLockRefreshInterval: Duration.divideUnsafe(lockExpiration, 3),
  refreshAssignmentsInterval: Duration.millis(500),
  entityMessagePollInterval: Duration.seconds(1),
  runnerHealthCheckInterval: Duration.seconds(10),
  entityTerminationTimeout: Duration.seconds(5)
} as const

/**
 * Settings of the cluster that a program may change.
 *
 * @since 0.1.0
 * @category models
 */
export type ShardingOptions = Partial<Omit<ShardingConfig.ShardingConfig["Service"], "shardLockDisableAdvisory">>

/**
 * The settings of the cluster, of which those that are given take the place of ours. Locks are rows, always: an advisory lock
 * ends with its connection, at once, and another machine could have it while the lease of its owner goes on.
 *
 * @since 0.1.0
 * @category constants
 */
export const shardingConfig = (options: ShardingOptions = {}): ShardingConfig.ShardingConfig["Service"] => ({
  ...ShardingConfig.defaults,
  ...intervals,
  simulateRemoteSerialization: false,
  ...options,
  shardLockDisableAdvisory: true
})
