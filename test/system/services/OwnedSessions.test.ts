import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as OwnerFile from "../../../src/node/OwnerFile.ts"
import { SessionHolder } from "../../../src/schema/SessionHolder.ts"
import { type GuildSnapshot, GuildSnapshots } from "../../../src/services/GuildSnapshots.ts"
import { IdentifyStore } from "../../../src/services/IdentifyStore.ts"
import { OwnerStore } from "../../../src/services/OwnerStore.ts"
import * as RedisOwner from "../../../src/services/RedisOwner.ts"
import { SessionStore } from "../../../src/services/SessionStore.ts"
import { StoreName } from "../../../src/services/StoreName.ts"
import * as SqlOwner from "../../../src/services/SqlOwner.ts"
import * as Database from "../../cluster/Database.ts"
import { hasPostgres, hasRedis } from "../../support/LocalServices.ts"
import { until } from "../../support/Patience.ts"
import { temporaryFile } from "../../support/SessionFileRun.ts"
import { session, shard } from "../../support/SessionStores.ts"

type Stores = Layer.Layer<OwnerStore | SessionStore | GuildSnapshots>

const inFile = Effect.map(temporaryFile, (path): Stores => {
  const files = NodeFileSystem.layer
  const owner = OwnerFile.layer(path).pipe(Layer.provide(files))
  return Layer.merge(SessionStore.layerFile(path), GuildSnapshots.layerFile(`${path}.guilds`)).pipe(
    Layer.provide(files),
    Layer.provideMerge(owner),
    Layer.orDie
  )
})

const withGuilds = (sessions: Layer.Layer<OwnerStore | SessionStore>): Stores =>
  GuildSnapshots.layerBesideSessions.pipe(Layer.provideMerge(sessions), Layer.orDie)

const inRedis = Effect.map(Random.nextIntBetween(0, 2 ** 40), (random) =>
  withGuilds(
    RedisOwner.layerWithSessions(`proof_${random.toString(36)}`, NodeRedis.layer({ url: "redis://127.0.0.1:6379" }))
  )
)
const inPostgres = Effect.map(Database.make, (database) =>
  withGuilds(
    SqlOwner.layerWithSessions("proof", PgClient.layer({ url: Redacted.make(database.url()), maxConnections: 2 }))
  )
)

const holder = new SessionHolder({ host: "a-host", pid: process.pid, since: DateTime.makeUnsafe(0) })

for (const { isThere, make, name } of [
  { name: "a file", isThere: true, make: inFile },
  { name: "Redis", isThere: hasRedis, make: inRedis },
  { name: "PostgreSQL", isThere: hasPostgres, make: inPostgres }
]) {
  describe.skipIf(!isThere)(`sessions of an owner in ${name}`, () => {
    /** Makes instances that share the store. */
    const instances = Effect.map(make, (layer) =>
      Effect.map(Layer.build(Layer.fresh(layer)), (context) => ({
        sessions: Context.get(context, SessionStore),
        guilds: Context.get(context, GuildSnapshots),
        identifies: Context.get(context, IdentifyStore) ?? assert.fail("there is no store of IDENTIFYs"),
        /** Waits until it is the owner. */
        own: (token: string) =>
          until(
            Context.get(context, OwnerStore).claim({ token, holder, epoch: undefined, lease: 50 }),
            ({ _tag }) => _tag === "Granted",
            () => `${token} is not the owner`
          )
      }))
    )

    it.live("are not written by an owner that was followed, whatever its clock says", () =>
      Effect.gen(function* () {
        const instance = yield* instances
        const [one, two, three] = [yield* instance, yield* instance, yield* instance]
        yield* one.own("one")
        assert.deepStrictEqual(yield* one.sessions.get(shard), Option.none())
        yield* one.sessions.set(session(10))
        yield* two.own("two")
        assert.deepStrictEqual(yield* two.sessions.get(shard), Option.some(session(10)))
        yield* two.sessions.set(session(20))
        const error = yield* Effect.flip(one.sessions.set(session(11)))
        assert.match(error.message, /another instance has taken/)
        yield* Effect.ignore(one.sessions.remove(shard))
        yield* three.own("three")
        assert.deepStrictEqual(yield* three.sessions.get(shard), Option.some(session(20)))
      })
    )

    it.live("have their guilds beside them, which are the owner's alone, too", () =>
      Effect.gen(function* () {
        const instance = yield* instances
        const [one, two, three] = [yield* instance, yield* instance, yield* instance]
        const { id } = session(0)
        const guild = (guild: string, sequence: number) => ({
          id: guild,
          sequence,
          guild: { id: guild, name: `ä of ${sequence}` }
        })
        const changes = (changed: ReadonlyArray<GuildSnapshot>, guilds: ReadonlyArray<string>) => ({
          changed,
          guilds,
          forgotten: []
        })
        yield* one.own("one")
        yield* one.sessions.get(shard)
        assert.deepStrictEqual(yield* one.guilds.load(shard, id), [])
        yield* one.guilds.save(shard, id, changes([guild("1", 5), guild("2", 6)], ["1", "2"]))
        yield* two.own("two")
        yield* two.sessions.get(shard)
        assert.deepStrictEqual(yield* two.guilds.load(shard, id), [guild("1", 5), guild("2", 6)])
        yield* two.guilds.save(shard, id, changes([guild("1", 20), guild("3", 21)], ["1", "3"]))
        yield* two.guilds.save(shard, id, { changed: [], guilds: undefined, forgotten: ["2"] })
        const late = changes([guild("1", 11), guild("4", 12)], ["1", "2", "4"])
        assert.strictEqual((yield* Effect.flip(one.guilds.save(shard, id, late)))._tag, "PersistenceError")
        yield* Effect.ignore(one.guilds.save(shard, id, { changed: [], guilds: undefined, forgotten: ["1"] }))
        yield* Effect.ignore(one.guilds.remove(shard))
        yield* three.own("three")
        yield* three.sessions.get(shard)
        assert.deepStrictEqual(yield* three.guilds.load(shard, id), [guild("1", 20), guild("3", 21)])
        yield* three.guilds.remove(shard)
        assert.deepStrictEqual(yield* three.guilds.load(shard, id), [])
        // As a gateway calls the stores of its bot.
      }).pipe(Effect.provideService(StoreName, "123456789012345678"))
    )

    it.live("have the times of IDENTIFYs beside them, which are the owner's alone, too", () =>
      Effect.gen(function* () {
        const instance = yield* instances
        const [one, two, three] = [yield* instance, yield* instance, yield* instance]
        const record = (starts: number) => ({ times: [1_700_000_000_000], starts })
        yield* one.own("one")
        assert.deepStrictEqual(yield* one.identifies.load([shard]), [Option.none()])
        yield* one.identifies.save(shard, record(1))
        yield* two.own("two")
        assert.deepStrictEqual(yield* two.identifies.load([shard]), [Option.some(record(1))])
        yield* two.identifies.save(shard, record(2))
        yield* Effect.flip(one.identifies.save(shard, record(3)))
        yield* three.own("three")
        assert.deepStrictEqual(yield* three.identifies.load([shard]), [Option.some(record(2))])
      })
    )
  })
}
