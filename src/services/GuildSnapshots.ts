/**
 * Guilds as their events have left them, kept beside the sessions: what a RESUME in a new process does not bring.
 *
 * It is opt-in: a gateway that finds it among its services keeps the guilds of its sessions in it, and hands them to the program
 * after a RESUME in a new process. docs/restarts.md has what is kept of a guild and what is not.
 */
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Persistence from "effect/persistence/Persistence"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import { InvalidConfig } from "../schema/FatalError.ts"
import { GatewayError } from "../schema/GatewayError.ts"
import type { ShardId } from "../schema/ShardId.ts"
import * as FencedGuilds from "./FencedGuilds.ts"
import * as LatePersistence from "./LatePersistence.ts"
import * as SessionFile from "./SessionFile.ts"
import { SessionStore } from "./SessionStore.ts"
import { named } from "./StoreName.ts"

/**
 * A guild at a sequence of its session.
 *
 * @category models
 * @since 0.1.0
 */
export interface GuildSnapshot {
  readonly id: string
  /** Sequence of the last event that is in it. */
  readonly sequence: number
  /** Data of its GUILD_CREATE, without members, presences and voice states, as the events since have left it. */
  readonly guild: object
}

/**
 * Changes of a session's guilds.
 *
 * @category models
 * @since 0.1.0
 */
export interface GuildChanges {
  /** Guilds that have changed or are new. */
  readonly changed: ReadonlyArray<GuildSnapshot>
  /** Ids of all guilds of the session. Undefined where they are as they were. */
  readonly guilds: ReadonlyArray<string> | undefined
  /** Ids of guilds to forget. */
  readonly forgotten: ReadonlyArray<string>
}

/**
 * Keeps the guilds of every shard's session.
 *
 * ```ts
 * Gateway.layer.pipe(Layer.provide([SessionStore.layerPersisted, GuildSnapshots.layerPersisted]))
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class GuildSnapshots extends Context.Service<
  GuildSnapshots,
  {
    /** The guilds of the shard's session with this id; those of another session are none of them. */
    readonly load: (
      shard: ShardId,
      session: string
    ) => Effect.Effect<ReadonlyArray<GuildSnapshot>, Persistence.PersistenceError>
    /** Keeps changes of the guilds of a session. Has them when it returns. */
    readonly save: (
      shard: ShardId,
      session: string,
      changes: GuildChanges
    ) => Effect.Effect<void, Persistence.PersistenceError>
    /** Forgets all guilds of the shard, whatever their session. */
    readonly remove: (shard: ShardId) => Effect.Effect<void, Persistence.PersistenceError>
  }
>()("disruption-gateway/services/GuildSnapshots") {
  /** Keeps guilds in a store of `effect/persistence`, which is opened at the first call. */
  static readonly layerPersisted: Layer.Layer<GuildSnapshots, never, Persistence.BackingPersistence> = Layer.effect(
    GuildSnapshots,
    Effect.flatMap(Persistence.BackingPersistence, ({ make }) => Effect.flatMap(LatePersistence.make(make), persisted))
  )

  /** The same with a store whose client connects when its layer is built: see `SessionStore.layerPersistedFrom`. */
  static readonly layerPersistedFrom = <E, R>(
    backing: Layer.Layer<Persistence.BackingPersistence, E, R>
  ): Layer.Layer<GuildSnapshots, never, R> =>
    Layer.effect(
      GuildSnapshots,
      LatePersistence.make((storeId) =>
        Effect.flatMap(Layer.build(Layer.fresh(backing)), (built) =>
          Context.get(built, Persistence.BackingPersistence).make(storeId)
        )
      ).pipe(Effect.flatMap(persisted))
    )

  /**
   * Keeps guilds beside the sessions of `RedisOwner.layerWithSessions`, `SqlOwner.layerWithSessions` or a cluster, fenced by the
   * epoch of their shard as these are: an instance that is no owner any more changes none. Fails with `InvalidConfig` with
   * another `SessionStore`.
   *
   * ```ts
   * Gateway.layer.pipe(
   *   Layer.provide(GuildSnapshots.layerBesideSessions),
   *   Layer.provide(GatewayOwner.layer({ instance: NodeGateway.instance })),
   *   Layer.provide(RedisOwner.layerWithSessions("my-bot", NodeRedis.layer({ url: "redis://127.0.0.1:6379" })))
   * )
   * ```
   */
  static readonly layerBesideSessions: Layer.Layer<GuildSnapshots, GatewayError, SessionStore> = Layer.effect(
    GuildSnapshots,
    Effect.gen(function* () {
      yield* SessionStore
      const store = yield* FencedGuilds.FencedGuilds
      if (store !== undefined) return yield* persisted({ make: () => Effect.succeed(store) })
      const description = "they are kept beside fenced sessions, and the SessionStore is none of those"
      return yield* new GatewayError({ reason: new InvalidConfig({ option: "GuildSnapshots", description }) })
    })
  )

  /** Keeps guilds for as long as the layer lives. */
  static readonly layerMemory: Layer.Layer<GuildSnapshots> = GuildSnapshots.layerPersisted.pipe(
    Layer.provide(Persistence.layerBackingMemory)
  )

  /**
   * Keeps guilds in one file, which is replaced whole, and not the sessions' own. The file's folder must be there. For a
   * thousand guilds and more take Redis or SQL, where a guild is written by itself.
   */
  static readonly layerFile = (path: string): Layer.Layer<GuildSnapshots, PlatformError, FileSystem.FileSystem> =>
    // A file of its own: see `SessionStore.layerFile`.
    Layer.fresh(GuildSnapshots.layerPersisted.pipe(Layer.provide(Persistence.layerBackingKvs))).pipe(
      Layer.provide(SessionFile.layer(path))
    )
}

const version = 1

/** The guilds of a session, by their ids: the shortest form of many. */
const Index = Schema.Struct({ version: Schema.Literal(version), session: Schema.String, guilds: Schema.String })
const decodeIndex = Schema.decodeUnknownOption(Index)

const Stored = Schema.Struct({
  version: Schema.Literal(version),
  session: Schema.String,
  sequence: Schema.Int,
  guild: Schema.ObjectKeyword
})
const decodeStored = Schema.decodeUnknownOption(Stored)

/** Guilds read by one call. */
const readAtOnce = 500

const idsOf = ({ guilds }: typeof Index.Type): ReadonlyArray<string> => (guilds === "" ? [] : guilds.split(" "))

const indexOf = (shard: ShardId) => named(shard.toString())
const keyOf = (index: string, guild: string) => `${index}/${guild}`

const persisted = Effect.fnUntraced(function* (backing: Persistence.BackingPersistence["Service"]) {
  const store = yield* backing.make(FencedGuilds.guildsStoreId)
  const index = (key: string) => Effect.map(store.get(key), (value) => decodeIndex(value))
  const forget = (key: string, guilds: ReadonlyArray<string>) =>
    Effect.forEach(guilds, (guild) => store.remove(keyOf(key, guild)), { concurrency: 64, discard: true })

  return GuildSnapshots.of({
    load: Effect.fnUntraced(function* (shard, session) {
      const key = yield* indexOf(shard)
      const found = Option.filter(yield* index(key), (kept) => kept.session === session)
      if (Option.isNone(found)) return []
      const snapshots: Array<GuildSnapshot> = []
      for (const ids of Arr.chunksOf(idsOf(found.value), readAtOnce)) {
        if (!Arr.isReadonlyArrayNonEmpty(ids)) continue
        const values = yield* store.getMany(Arr.map(ids, (id) => keyOf(key, id)))
        for (const [place, id] of ids.entries()) {
          const kept = Option.filter(decodeStored(values[place]), (stored) => stored.session === session)
          if (Option.isSome(kept)) snapshots.push({ id, sequence: kept.value.sequence, guild: kept.value.guild })
        }
      }
      return snapshots
    }),
    save: Effect.fnUntraced(function* (shard, session, { changed, forgotten, guilds }) {
      const key = yield* indexOf(shard)
      // First the guilds, then their names: a guild that is named is there.
      if (Arr.isReadonlyArrayNonEmpty(changed)) {
        yield* store.setMany(
          Arr.map(
            changed,
            ({ guild, id, sequence }) => [keyOf(key, id), { version, session, sequence, guild }, undefined] as const
          )
        )
      }
      if (guilds !== undefined) {
        yield* store.set(key, { version, session, guilds: guilds.join(" ") }, undefined)
      }
      yield* forget(key, forgotten)
    }),
    remove: Effect.fnUntraced(function* (shard) {
      const key = yield* indexOf(shard)
      const kept = yield* index(key)
      if (Option.isNone(kept)) return
      yield* store.remove(key)
      yield* forget(key, idsOf(kept.value))
    })
  })
})
