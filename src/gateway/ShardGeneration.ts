/**
 * The shards that a bot runs at one time, all of the same total, in a scope of their own. Resharding replaces one generation
 * by another.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { SystemSlept } from "../schema/ConnectionError.ts"
import type { GatewayError } from "../schema/GatewayError.ts"
import { ShardId } from "../schema/ShardId.ts"
import { GatewayConfig } from "../services/GatewayConfig.ts"
import { GatewayDirectory } from "../services/GatewayDirectory.ts"
import { IdentifyStore } from "../services/IdentifyStore.ts"
import * as IdentifyHistory from "../shard/IdentifyHistory.ts"
import * as Shard from "../shard/Shard.ts"
import type { ShardBuffer, ShardHost } from "../shard/ShardHost.ts"
import * as GatewayInstruments from "./GatewayInstruments.ts"
import * as ProcessWatch from "./ProcessWatch.ts"
import * as SilencePatrol from "./SilencePatrol.ts"

/** A generation of shards. */
export interface ShardGeneration {
  readonly total: number
  readonly shards: ReadonlyMap<number, Shard.Shard>
  readonly scope: Scope.Closeable
  /** Fails with the first shard that cannot go on. */
  readonly failed: Deferred.Deferred<never, GatewayError>
  readonly identifies: IdentifyHistory.IdentifyHistory
  /** Puts another buffer in place of the one that the shards append to. */
  readonly appendTo: (buffer: ShardBuffer) => void
}

/** Makes shards that are yet to be launched, which end with the scope. */
export const make = Effect.fnUntraced(function* (
  ids: ReadonlyArray<ShardId>,
  shared: Omit<ShardHost, "identifies">,
  scope: Scope.Closeable
) {
  let { buffer } = shared
  const { keepIdentifies, timeouts } = yield* GatewayConfig
  const identifies = yield* IdentifyHistory.make({
    shards: ids,
    store: keepIdentifies ? yield* IdentifyStore : undefined,
    directory: yield* GatewayDirectory,
    timeout: timeouts.store,
    fork: shared.fork
  })
  const host: ShardHost = {
    ...shared,
    identifies,
    get buffer() {
      return buffer
    }
  }
  const shards = yield* Effect.forEach(ids, (id) => Shard.make(id, host))
  return {
    total: ids[0]?.total ?? 1,
    shards: new Map(shards.map((shard) => [shard.id.id, shard])),
    scope,
    failed: yield* Deferred.make<never, GatewayError>(),
    identifies,
    appendTo: (next) => {
      buffer = next
    }
  } satisfies ShardGeneration
})

/** Runs the shards. `metrics` is the context in which theirs are registered. */
export const launch = Effect.fnUntraced(function* (
  { failed, scope, shards }: ShardGeneration,
  metrics: Context.Context<never>
) {
  yield* Scope.provide(GatewayInstruments.observeShards(shards.values(), metrics), scope)
  for (const shard of shards.values()) {
    yield* shard.run.pipe(
      Effect.tapCause((cause) => (Cause.hasInterruptsOnly(cause) ? Effect.void : Deferred.failCause(failed, cause))),
      Effect.forkIn(scope)
    )
  }
  yield* Scope.provide(SilencePatrol.run(shards), scope)
  yield* Scope.provide(
    ProcessWatch.onWake((slept) => {
      for (const shard of shards.values()) shard.reconnect(new SystemSlept({ slept }))
    }),
    scope
  )
})

/** Ends the shards. */
export const end = ({ scope }: ShardGeneration): Effect.Effect<void> => Scope.close(scope, Exit.void)

/** All shards of a total. */
export const shardIds = (total: number): ReadonlyArray<ShardId> =>
  Array.from({ length: total }, (_, id) => new ShardId({ id, total }))
