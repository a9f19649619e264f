/**
 * Plan of the cluster: its number of shards, one for all machines, in the store that they share.
 *
 * The first machine of all writes what its configuration says, and from then on the plan is what counts: machines that
 * disagreed would run some guilds twice and others not at all.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Persistence from "effect/persistence/Persistence"
import * as Schema from "effect/Schema"

/** The number of shards, and the next one while the cluster is resharded. */
export class Plan extends Schema.Class<Plan>("disruption-gateway/ClusterPlan")({
  /** Of version 1 the shards are in parts by chance, of version 2 in turn: earlier releases refuse a plan of version 2. */
  version: Schema.Literals([1, 2]),
  /** The number of the cluster's parts, which all machines have to agree on. Of version 2 alone. */
  parts: Schema.optionalKey(Schema.Int),
  /** The number of shards whose events programs get. */
  total: Schema.Int,
  /** The number of shards that are being brought up beside them. */
  next: Schema.optionalKey(Schema.Int)
}) {}

/** Reads and writes the plan. */
export interface ClusterPlan {
  readonly read: Effect.Effect<Option.Option<Plan>, Persistence.PersistenceError | Schema.SchemaError>
  readonly write: (plan: Plan) => Effect.Effect<void, Persistence.PersistenceError>
  /** The plan; where there is none, this one. Waits for a store that does not answer. */
  readonly orElse: <E, R>(plan: Effect.Effect<Plan, E, R>) => Effect.Effect<Plan, E, R>
}

const key = "plan"
const decode = Schema.decodeUnknownEffect(Plan)
const encode = Schema.encodeSync(Plan)

/** Retries without end, with a warning each time: for a store that does not answer. */
const untilAnswered = <A, E extends { readonly message: string }>(effect: Effect.Effect<A, E>) =>
  effect.pipe(
    Effect.tapError(({ message }) => Effect.logWarning(`The plan of the cluster is out of reach: ${message}`)),
    Effect.tapError(() => Effect.sleep("1 second")),
    Effect.eventually
  )

/** The plan in a store that all machines reach. */
export const make: Effect.Effect<ClusterPlan, never, Persistence.BackingPersistence> = Effect.gen(function* () {
  const backing = yield* Persistence.BackingPersistence
  const store = yield* Effect.scoped(backing.make("disruption-gateway_fleet"))
  const read = Effect.flatMap(store.get(key), (value) =>
    value === undefined ? Effect.succeedNone : Effect.asSome(decode(value))
  )
  const write = (plan: Plan) => store.set(key, encode(plan), undefined)

  return {
    read,
    write,
    orElse: (first) =>
      Effect.gen(function* () {
        const found = yield* untilAnswered(read)
        if (Option.isSome(found)) return found.value
        const plan = yield* first
        yield* untilAnswered(write(plan))
        // Machines that start at once all write; the last write counts.
        yield* Effect.sleep("500 millis")
        return Option.getOrElse(yield* untilAnswered(read), () => plan)
      })
  }
})
