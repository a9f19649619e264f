/**
 * Retreat of a machine: it leaves its shards to the others and stays in the cluster, so that it can come back.
 *
 * To the engine such a machine is unhealthy. The engine asks every few seconds who is healthy, and a machine in retreat
 * answers: so the retreat is marked in the store that all machines share, and whoever asks looks there, too.
 */
import type * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as RunnerHealth from "effect/cluster/RunnerHealth"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Persistence from "effect/persistence/Persistence"

/** The retreat of this machine. */
export interface OwnRetreat {
  /** Gives all shards to the others. */
  readonly begin: Effect.Effect<void>
  /** Goes on with a retreat, which ends by itself a minute after the last word of it. */
  readonly goOn: Effect.Effect<void>
  /** Takes part again. */
  readonly end: Effect.Effect<void>
}

/** The retreat of this machine; none where it shares its shards with no other. */
export const Retreat: Context.Reference<Option.Option<OwnRetreat>> = Context.Reference<Option.Option<OwnRetreat>>(
  "disruption-gateway/cluster/Retreat",
  { defaultValue: () => Option.none() }
)

/** Time after which a machine counts that is not heard of: it may have ended, and begun anew. */
const markTime = Duration.minutes(1)

const keyOf = ({ host, port }: RunnerAddress.RunnerAddress) => `retreat:${host}:${port}`

const storeOf = Effect.flatMap(Persistence.BackingPersistence, (backing) => backing.make("disruption-gateway_fleet"))

/** A store that does not answer is no reason to end the watch. */
const attempt = <A, E extends { readonly message: string }>(work: Effect.Effect<A, E>) =>
  work.pipe(
    Effect.catch(({ message }) => Effect.logWarning(`The retreat of this machine is not stored: ${message}`)),
    Effect.asVoid
  )

/** The retreat of the machine at this address. */
export const layer = (
  address: RunnerAddress.RunnerAddress
): Layer.Layer<never, never, RunnerStorage.RunnerStorage | Persistence.BackingPersistence> =>
  Layer.effect(
    Retreat,
    Effect.gen(function* () {
      const storage = yield* RunnerStorage.RunnerStorage
      const store = yield* storeOf
      const mark = attempt(store.set(keyOf(address), {}, markTime))
      const unmark = attempt(store.remove(keyOf(address)))
      const setHealth = (isHealthy: boolean) => attempt(storage.setRunnerHealth(address, isHealthy))
      // That of the process which had this address before.
      yield* unmark
      return Option.some({
        begin: Effect.andThen(mark, setHealth(false)),
        goOn: mark,
        end: Effect.andThen(unmark, setHealth(true))
      })
    })
  )

/** Judgement of the machines' health to which a machine in retreat is not healthy. */
export const layerHealth: Layer.Layer<
  RunnerHealth.RunnerHealth,
  never,
  RunnerHealth.RunnerHealth | Persistence.BackingPersistence
> = Layer.effect(
  RunnerHealth.RunnerHealth,
  Effect.gen(function* () {
    const health = yield* RunnerHealth.RunnerHealth
    const store = yield* storeOf
    const isInRetreat = (address: RunnerAddress.RunnerAddress) =>
      store.get(keyOf(address)).pipe(
        Effect.map((mark) => mark !== undefined),
        Effect.orElseSucceed(() => false)
      )
    return RunnerHealth.RunnerHealth.of({
      isAlive: (address) =>
        Effect.flatMap(health.isAlive(address), (isAlive) =>
          isAlive ? Effect.map(isInRetreat(address), (retreats) => !retreats) : Effect.succeed(false)
        )
    })
  })
)
