/**
 * Plan of the cluster: its number of shards, one for all machines, in the store that they share.
 *
 * The first machine of all writes what its configuration says, and from then on the plan is what counts: machines that
 * disagreed would run some guilds twice and others not at all.
 *
 * Its version is that of everything the machines share: a release keeps the version that it finds, and writes rows that any
 * release of that version reads. So releases of one version take turns in both directions, and one that does not know the
 * version takes no part.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Persistence from "effect/persistence/Persistence"
import * as Schema from "effect/Schema"
import { UnsupportedVersion } from "../schema/FatalError.ts"

/** The number of shards, and the next one while the cluster is resharded. */
export class Plan extends Schema.Class<Plan>("disruption-gateway/ClusterPlan")({
  /** Of version 1 the shards are in parts by chance, of version 2 in turn: earlier releases refuse a plan of version 2. */
  version: Schema.Literals([1, 2]),
  /** The number of the cluster's parts, which all machines have to agree on. Of version 2 alone. */
  parts: Schema.optionalKey(Schema.Int),
  /** The number of shards whose events programs get. */
  total: Schema.Int,
  /** The number of shards that are being brought up beside them. */
  next: Schema.optionalKey(Schema.Int),
  /** True where programs get the events of those at once, since Discord refuses one of the present shards. */
  early: Schema.optionalKey(Schema.Boolean)
}) {}

/** Reads and writes the plan. */
export interface ClusterPlan {
  /** Fails with `UnsupportedVersion` where a later release has written it. */
  readonly read: Effect.Effect<
    Option.Option<Plan>,
    Persistence.PersistenceError | Schema.SchemaError | UnsupportedVersion
  >
  readonly write: (plan: Plan) => Effect.Effect<void, Persistence.PersistenceError>
  /** The plan; where there is none, this one. Waits for a store that does not answer. */
  readonly orElse: <E, R>(plan: Effect.Effect<Plan, E, R>) => Effect.Effect<Plan, E | UnsupportedVersion, R>
  /** Waits, with a warning now and then, until the plan is one that this release can follow, or there is none. */
  readonly admission: Effect.Effect<void>
}

const key = "plan"
const decode = Schema.decodeUnknownEffect(Plan)
const encode = Schema.encodeSync(Plan)

/** The latest version of the plan that this release reads. */
const supported = 2

const decodeVersion = Schema.decodeUnknownOption(Schema.Struct({ version: Schema.Int }))

const decodeSupported = (value: unknown): Effect.Effect<Plan, Schema.SchemaError | UnsupportedVersion> =>
  Option.match(
    Option.filter(decodeVersion(value), ({ version }) => version > supported),
    {
      onNone: () => decode(value),
      onSome: ({ version: found }) =>
        Effect.fail(
          new UnsupportedVersion({
            what: "The plan of the cluster",
            found,
            supported,
            advice: "To stay with this one, end all machines and delete the plan, as docs/cluster.md says."
          })
        )
    }
  )

/** Asks without end, with a warning each time: for a store that does not answer. */
const untilAnswered = <A>(
  question: Effect.Effect<A, Persistence.PersistenceError | Schema.SchemaError | UnsupportedVersion>
): Effect.Effect<A, UnsupportedVersion> =>
  Effect.catch(question, (error) =>
    error instanceof UnsupportedVersion
      ? Effect.fail(error)
      : Effect.logWarning(`The plan of the cluster is out of reach: ${error.message}`).pipe(
          Effect.andThen(Effect.sleep("1 second")),
          Effect.andThen(untilAnswered(question))
        )
  )

/** Interval at which a machine that is not admitted asks again. */
const askingTime = Duration.seconds(5)
/** Questions from one warning to the next. */
const askedPerWarning = 12

/** The plan in a store that all machines reach. */
export const make: Effect.Effect<ClusterPlan, never, Persistence.BackingPersistence> = Effect.gen(function* () {
  const backing = yield* Persistence.BackingPersistence
  const store = yield* Effect.scoped(backing.make("disruption-gateway_fleet"))
  const read = Effect.flatMap(store.get(key), (value) =>
    value === undefined ? Effect.succeedNone : Effect.asSome(decodeSupported(value))
  )
  const write = (plan: Plan) => store.set(key, encode(plan), undefined)

  const admitted = (asked: number): Effect.Effect<void> =>
    Effect.catch(untilAnswered(read), ({ message }) =>
      (asked % askedPerWarning === 0
        ? Effect.logWarning(`This machine takes no part in the cluster yet. ${message}`)
        : Effect.void
      ).pipe(Effect.andThen(Effect.sleep(askingTime)), Effect.andThen(admitted(asked + 1)))
    )

  return {
    read,
    write,
    admission: admitted(0),
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
