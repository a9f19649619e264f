/**
 * Where it is kept how many shards the bot runs under `shards: "auto"`, so that a restart resumes their sessions, whatever
 * Discord recommends by then.
 *
 * It is kept beside the sessions: `SessionStore.layerPersisted` and `layerFile` bring it along, as do the sessions of an
 * owner.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Persistence from "effect/persistence/Persistence"
import * as Schema from "effect/Schema"
import { maxShards } from "../schema/ShardSelection.ts"
import { named } from "./StoreName.ts"

/**
 * A store of the number of shards. Where it fails, Discord's recommendation counts, which the log says.
 *
 * @category models
 * @since 0.1.0
 */
export interface ShardTotal {
  /** The number of shards that the last process ran. */
  readonly load: Effect.Effect<Option.Option<number>, { readonly message: string }>
  /** Keeps the number, in place of the one before. */
  readonly save: (total: number) => Effect.Effect<void, { readonly message: string }>
}

/**
 * The store of the number of shards; undefined for none, which is the default.
 *
 * @category services
 * @since 0.1.0
 */
export const ShardTotalStore: Context.Reference<ShardTotal | undefined> = Context.Reference<ShardTotal | undefined>(
  "disruption-gateway/services/ShardTotalStore",
  { defaultValue: () => undefined }
)

/** The name under which the number is in a store. */
const storeId = "disruption-gateway_shards"
const key = "total"

/** Schema of what is stored. */
export const StoredTotal = Schema.Struct({
  version: Schema.Literal(1),
  total: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxShards }))
})
const decode = Schema.decodeUnknownOption(StoredTotal)
const encode = Schema.encodeSync(StoredTotal)

/** Keeps the number in a store of `effect/persistence`. A value that is none of ours counts as none. */
export const makePersisted = (backing: Persistence.BackingPersistence["Service"]) =>
  Effect.map(backing.make(storeId), (store): ShardTotal => ({
    load: Effect.map(Effect.flatMap(named(key), store.get), (value) => Option.map(decode(value), ({ total }) => total)),
    save: (total) => Effect.flatMap(named(key), (key) => store.set(key, encode({ version: 1, total }), undefined))
  }))
