/**
 * Growth of a cluster under `shards: "auto"`: one machine at a time asks Discord, and reshards all of them through the plan.
 *
 * The one that asks is a singleton, so it has a lock, moves as the shards do, and goes on with what the one before has begun: the
 * plan says so. What it cannot see, that a shard elsewhere is nearly full or refused by Discord, its machine notes in the store
 * that all share, which costs nothing as long as there is nothing to note.
 */
import * as EntityId from "effect/cluster/EntityId"
import * as Sharding from "effect/cluster/Sharding"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Persistence from "effect/persistence/Persistence"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { fullAt, Growth, type Standing } from "../gateway/Growth.ts"
import type { OutsideGrowth } from "../gateway/OutsideGrowth.ts"
import { type GatewayError, GatewayErrorReason } from "../schema/GatewayError.ts"
import type { ShardEvent } from "../schema/ShardEvent.ts"
import type { GatewayConfig } from "../services/GatewayConfig.ts"
import type { GatewayDirectory } from "../services/GatewayDirectory.ts"
import * as MonotonicTime from "../services/MonotonicTime.ts"
import { permanent } from "../services/ShardLease.ts"
import type { Plan } from "./ClusterPlan.ts"
import { LockLeases } from "./LockLeases.ts"

/** Parts of the cluster that its growth works with. */
export interface Parts {
  readonly config: GatewayConfig["Service"]
  readonly directory: GatewayDirectory["Service"]
  /** The plan, as this machine has read it last. */
  readonly plan: () => Plan
  readonly announce: (event: (at: DateTime.Utc) => ShardEvent) => Effect.Effect<void>
  /** Reshards while the lease is held. Fails where `refused` comes to say that Discord refuses one of the new shards. */
  readonly reshard: (
    total: number,
    options: {
      /** Programs get the events of the new shards at once, as nobody else brings those of a shard that is refused. */
      readonly early: boolean
      readonly refused: Effect.Effect<Option.Option<GatewayErrorReason>>
      readonly held: Effect.Effect<void>
    }
  ) => Effect.Effect<void, { readonly message: string }>
  readonly giveUp: (error: GatewayError) => Effect.Effect<unknown>
}

/** Name of the singleton that asks. */
const askerName = "disruption-gateway/growth"

/** Shard group of the singleton. */
const group = "default"

/** Interval at which a machine looks at its shards, and time after which a note is old. */
const lookingTime = Duration.seconds(20)
const noteTime = Duration.minutes(1)

/** Interval at which the machine that asks reads the notes. */
const readingTime = Duration.seconds(5)

const Full = Schema.Struct({ guilds: Schema.Int })
const Refused = Schema.Struct({ reason: Schema.toCodecJson(GatewayErrorReason) })
const Grown = Schema.Struct({ at: Schema.Number })

const decodeFull = Schema.decodeUnknownOption(Full)
const decodeRefused = Schema.decodeUnknownOption(Refused)
const encodeRefused = Schema.encodeSync(Refused)
const decodeGrown = Schema.decodeUnknownOption(Grown)

/** The names of the notes on shards of a total. */
const fullKey = (total: number) => `growth:full:${total}`
const refusedKey = (total: number) => `growth:refused:${total}`
/** When the cluster grew last, by the wall clock: the machine that asks next may be another one. */
const grownKey = "growth:grown"

/** The growth of a cluster, as one of its machines has a part in it. */
export interface ClusterGrowth {
  /** The growth of the gateway of a shard, which is forgotten with the scope. */
  readonly ofShard: Effect.Effect<OutsideGrowth, never, Scope.Scope>
  /** Takes part until the scope ends. */
  readonly run: Effect.Effect<void, never, Sharding.Sharding | Scope.Scope>
}

/** Makes the part of a machine. */
export const make = Effect.fnUntraced(function* (
  growing: Exclude<GatewayConfig["Service"]["growth"], false>,
  parts: Parts
): Effect.fn.Return<ClusterGrowth, never, Persistence.BackingPersistence | Scope.Scope> {
  const store = yield* (yield* Persistence.BackingPersistence).make("disruption-gateway_fleet")
  const standings = new Set<() => Standing>()
  const urgent = Latch.makeUnsafe(false)

  const note = Effect.suspend(() => {
    const notes = new Map<string, object>()
    const fullest = new Map<number, number>()
    for (const standing of standings) {
      const { fullest: guilds, refusal, total } = standing()
      if (refusal !== undefined) notes.set(refusedKey(total), encodeRefused({ reason: refusal }))
      fullest.set(total, Math.max(guilds, fullest.get(total) ?? 0))
    }
    for (const [total, guilds] of fullest) if (guilds >= fullAt) notes.set(fullKey(total), { guilds })
    const entries = Array.from(notes, ([key, value]) => [key, value, noteTime] as const)
    return Arr.isArrayNonEmpty(entries) ? store.setMany(entries) : Effect.void
  }).pipe(Effect.catch(({ message }) => Effect.logWarning(`What makes the cluster grow is not noted: ${message}`)))

  const noting = Effect.forever(
    Effect.gen(function* () {
      yield* Effect.timeoutOption(urgent.await, Duration.min(lookingTime, growing.every))
      yield* urgent.close
      yield* note
    })
  )

  /** The notes on shards of a total. A store that does not answer is asked again. */
  const notes = (total: number) =>
    Effect.map(store.getMany([fullKey(total), refusedKey(total)]), ([full, refused]) => ({
      fullest: Option.getOrElse(
        Option.map(decodeFull(full), ({ guilds }) => guilds),
        () => 0
      ),
      refusal: Option.map(decodeRefused(refused), ({ reason }) => reason)
    }))

  const asking = Effect.gen(function* () {
    const leases = yield* LockLeases
    const sharding = yield* Sharding.Sharding
    const lease = leases === undefined ? permanent : leases(sharding.getShardId(EntityId.make(askerName), group))
    let standing: Standing = { total: parts.plan().total, fullest: 0, refusal: undefined }

    const reshard = (total: number) =>
      Effect.andThen(
        // That of an attempt before.
        Effect.ignore(store.remove(refusedKey(total))),
        parts.reshard(total, {
          early: standing.refusal !== undefined,
          refused: Effect.orElseSucceed(
            Effect.map(notes(total), ({ refusal }) => refusal),
            Option.none
          ),
          held: lease.held
        })
      )
    const growth = new Growth({
      ...parts,
      standing: () => standing,
      reshard: (total) =>
        reshard(total).pipe(
          Effect.andThen(Effect.flatMap(Clock.currentTimeMillis, (at) => store.set(grownKey, { at }, undefined)))
        )
    })
    const reading = Effect.forever(
      Effect.gen(function* () {
        const { total } = parts.plan()
        const found = yield* Effect.option(notes(total))
        if (Option.isSome(found)) {
          const { fullest, refusal } = found.value
          const isNews = standing.refusal === undefined && Option.isSome(refusal)
          standing = { total, fullest, refusal: Option.getOrUndefined(refusal) }
          if (isNews) growth.onRefusal()
        }
        yield* Effect.sleep(Duration.min(readingTime, growing.every))
      })
    )
    yield* Effect.forkScoped(reading)
    yield* store.get(grownKey).pipe(
      Effect.flatMap((value) =>
        Option.match(decodeGrown(value), {
          onNone: () => Effect.void,
          onSome: ({ at }) =>
            Effect.map(Effect.all([MonotonicTime.now, Clock.currentTimeMillis]), ([now, wall]) =>
              growth.hasGrown(now - Math.max(0, wall - at))
            )
        })
      ),
      Effect.ignore
    )
    const { next } = parts.plan()
    if (next !== undefined) {
      yield* Effect.logInfo(`The cluster goes on to ${next} shards`)
      yield* Effect.catch(reshard(next), ({ message }) => Effect.logWarning(`It does not: ${message}`))
    }
    return yield* growth.run(growing)
  })

  return {
    ofShard: Effect.suspend(() => {
      let own: (() => Standing) | undefined
      return Effect.as(
        Effect.addFinalizer(() =>
          Effect.sync(() => {
            if (own !== undefined) standings.delete(own)
          })
        ),
        {
          watch: (standing: () => Standing) => {
            own = standing
            standings.add(standing)
          },
          onRefusal: () => urgent.openUnsafe()
        } satisfies OutsideGrowth
      )
    }),
    run: Effect.gen(function* () {
      const sharding = yield* Sharding.Sharding
      yield* Effect.forkScoped(noting)
      yield* sharding.registerSingleton(askerName, asking, { shardGroup: group })
    })
  }
})
