/**
 * Where it is kept when shards have identified, so that the next process knows what the one before has cost.
 *
 * It is kept beside the sessions: `SessionStore.layerPersisted` and `layerFile` bring it along. On Node.js a bot without a store
 * of sessions has it in a file of its own (`node/IdentifyFile.ts`).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Persistence from "effect/persistence/Persistence"
import * as Schema from "effect/Schema"
import type { ShardId } from "../schema/ShardId.ts"
import { named } from "./StoreName.ts"

/**
 * Schema of a record.
 *
 * @category schemas
 * @since 0.1.0
 */
export const IdentifyRecord = Schema.Struct({
  /** When it identified last, at most four times, in milliseconds since the epoch, oldest first. */
  times: Schema.Array(Schema.Finite),
  /** Number of processes in a row that have identified the shard and not ended in peace. */
  starts: Schema.Int
})

/**
 * Record of one shard's IDENTIFYs.
 *
 * @category models
 * @since 0.1.0
 */
export interface IdentifyRecord extends Schema.Schema.Type<typeof IdentifyRecord> {}

/**
 * A store of the times of IDENTIFYs. Where it fails, they count as not known, which the log says once.
 *
 * @category models
 * @since 0.1.0
 */
export interface IdentifyTimes {
  /** The records of these shards, in their order. */
  readonly load: (
    shards: ReadonlyArray<ShardId>
  ) => Effect.Effect<ReadonlyArray<Option.Option<IdentifyRecord>>, { readonly message: string }>
  /** Keeps what is known of a shard, in place of what was kept before. */
  readonly save: (shard: ShardId, record: IdentifyRecord) => Effect.Effect<void, { readonly message: string }>
}

/**
 * The store of the times of IDENTIFYs; undefined for none, which is the default.
 *
 * @category services
 * @since 0.1.0
 */
export const IdentifyStore: Context.Reference<IdentifyTimes | undefined> = Context.Reference<IdentifyTimes | undefined>(
  "disruption-gateway/services/IdentifyStore",
  { defaultValue: () => undefined }
)

/** The name under which the times are in a store. */
const storeId = "disruption-gateway_identifies"

/** Keeps the times in a store of `effect/persistence`. A value that is none of ours counts as none. */
export const makePersisted = (backing: Persistence.BackingPersistence["Service"]) =>
  Effect.map(backing.make(storeId), (store): IdentifyTimes => ({
    load: (shards) =>
      Effect.map(
        Effect.forEach(shards, (shard) => Effect.flatMap(named(shard.toString()), store.get), { concurrency: 64 }),
        (values) => values.map((value) => decode(value))
      ),
    save: (shard, record) => Effect.flatMap(named(shard.toString()), (key) => store.set(key, encode(record), undefined))
  }))

const decode = Schema.decodeUnknownOption(IdentifyRecord)
const encode = Schema.encodeSync(IdentifyRecord)
