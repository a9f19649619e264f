/**
 * Watch over a machine's way to Discord: one that cannot reach it, while others can, gives its shards to them.
 *
 * Nothing is given away on suspicion: all shards are without a connection for a while, another machine has one, and a
 * connection that is opened to find out fails. When nobody reaches Discord all stay as they are.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { ShardState, ShardStatus } from "../schema/ShardStatus.ts"
import * as MonotonicTime from "../services/MonotonicTime.ts"
import type { OwnRetreat } from "./Retreat.ts"

/** Parts of the watch. */
export interface Parts {
  /** Status of this machine's shards. */
  readonly here: Effect.Effect<ReadonlyArray<ShardStatus>>
  /** Whether another machine has a shard that is connected. */
  readonly isReachedByOthers: Effect.Effect<boolean>
  /** Whether a connection that is opened now gets as far as Discord's HELLO. */
  readonly isReached: Effect.Effect<boolean>
  readonly retreat: OwnRetreat
}

/** Interval at which the shards are looked at. */
const lookingTime = Duration.seconds(1)

/** Time for which all shards are without a connection before the machine asks why. */
const patience = Duration.seconds(10)

/** Interval at which a machine in retreat tries to connect. */
const tryingTime = Duration.seconds(5)

/** Connections in a row that end a retreat: on a network that comes and goes the shards would come and go, too. */
const enough = 3

const unconnected: ReadonlySet<ShardState> = new Set(["connecting", "greeting", "waiting"])

const isCutOff = (here: ReadonlyArray<ShardStatus>) =>
  here.length > 0 && here.every(({ state }) => unconnected.has(state))

/** Watches, and retreats, without end. */
export const watch = Effect.fnUntraced(function* ({ here, isReached, isReachedByOthers, retreat }: Parts) {
  /** Waits until the shards have been without a connection for long enough. */
  const suspicion = Effect.gen(function* () {
    let since: number | undefined
    for (;;) {
      yield* Effect.sleep(lookingTime)
      if (!isCutOff(yield* here)) {
        since = undefined
        continue
      }
      const now = yield* MonotonicTime.now
      since ??= now
      if (now - since >= Duration.toMillis(patience)) return
    }
  })

  const retreating = Effect.gen(function* () {
    yield* Effect.logWarning(
      "This machine cannot connect to Discord and others can: it gives its shards to them until it can"
    )
    yield* retreat.begin
    for (let connected = 0; connected < enough;) {
      yield* Effect.sleep(tryingTime)
      connected = (yield* isReached) ? connected + 1 : 0
      yield* retreat.goOn
    }
    yield* Effect.logInfo("This machine can connect to Discord again, and takes part")
    yield* retreat.end
  })

  return yield* Effect.forever(
    Effect.andThen(
      suspicion,
      Effect.flatMap(isReachedByOthers, (byOthers) =>
        byOthers ? Effect.flatMap(isReached, (reached) => (reached ? Effect.void : retreating)) : Effect.void
      )
    )
  )
})
