import { renameSync } from "node:fs"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import * as Persistence from "effect/persistence/Persistence"
import * as Schema from "effect/Schema"
import { Identity } from "../../src/schema/Identity.ts"
import { Session } from "../../src/schema/Session.ts"
import { ShardId } from "../../src/schema/ShardId.ts"
import { GuildSnapshots } from "../../src/services/GuildSnapshots.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import { untilTrue } from "../support/Patience.ts"
import { behaves, outlives, session, shard } from "../support/SessionStores.ts"

/** Runs an effect with a log that can be read. */
const logged = <A, E, R>(effect: (lines: ReadonlyArray<string>) => Effect.Effect<A, E, R>) => {
  const lines: Array<string> = []
  const logger = Logger.make<unknown, void>(({ message }) => void lines.push(String(message)))
  return Effect.provide(effect(lines), Logger.layer([logger]))
}

const temporaryFile = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  return `${yield* files.makeTempDirectoryScoped()}/sessions.json`
})

describe("sessions in memory", () => {
  it.effect("do not outlive the program", () =>
    Effect.gen(function* () {
      const store = yield* SessionStore
      yield* store.set(session(1))
      assert.deepStrictEqual(yield* store.get(shard), Option.some(session(1)))
      assert.isFalse(store.durable)
    }).pipe(Effect.provide(SessionStore.layerMemory))
  )
})

describe("sessions in a file", () => {
  it.effect("outlive the program", () =>
    Effect.gen(function* () {
      yield* outlives(SessionStore.layerFile(yield* temporaryFile))
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.effect("of many shards are written together", () =>
    Effect.gen(function* () {
      const path = yield* temporaryFile
      const shards = Array.from({ length: 100 }, (_, id) => new ShardId({ id, total: 100 }))
      yield* Effect.gen(function* () {
        const store = yield* SessionStore
        yield* Effect.forEach(shards, (shard) => store.set(session(shard.id, shard)), { concurrency: "unbounded" })
      }).pipe(Effect.provide(SessionStore.layerFile(path)))
      yield* Effect.gen(function* () {
        const store = yield* SessionStore
        for (const shard of shards) {
          assert.deepStrictEqual(yield* store.get(shard), Option.some(session(shard.id, shard)))
        }
      }).pipe(Effect.provide(SessionStore.layerFile(path)))
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.effect("are in their file, and guilds in theirs, where both are provided at once", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const path = yield* temporaryFile
      yield* Effect.gen(function* () {
        yield* (yield* SessionStore).set(session(42))
        const snapshot = { id: "1", sequence: 1, guild: { id: "1", name: "a guild" } }
        const changes = { changed: [snapshot], guilds: ["1"], forgotten: [] }
        yield* (yield* GuildSnapshots).save(shard, session(42).id, changes)
      }).pipe(Effect.provide(Layer.merge(SessionStore.layerFile(path), GuildSnapshots.layerFile(`${path}.guilds`))))
      const [sessions, guilds] = [yield* files.readFileString(path), yield* files.readFileString(`${path}.guilds`)]
      assert.include(sessions, session(42).resumeUrl)
      assert.notInclude(sessions, "a guild")
      assert.include(guilds, "a guild")
      assert.notInclude(guilds, session(42).resumeUrl)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  const foreign = ["{", "null", "[]", '{"name":"disruption-gateway","version":"0.1.0"}', "\u0000\u0001"]
  for (const content of foreign) {
    it.effect(`that cannot be read (${JSON.stringify(content)}) are reported, put aside, and count as none`, () =>
      logged((lines) =>
        Effect.gen(function* () {
          const files = yield* FileSystem.FileSystem
          const path = yield* temporaryFile
          yield* files.writeFileString(path, content)
          yield* Effect.provide(behaves, SessionStore.layerFile(path))
          assert.strictEqual(yield* files.readFileString(`${path}.unreadable`), content)
          assert.include(lines.join("\n"), `${path}.unreadable`)
        }).pipe(Effect.provide(NodeFileSystem.layer))
      )
    )
  }

  it.effect("that were cut off in the midst of writing are as they were before", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const path = yield* temporaryFile
      yield* Effect.provide(behaves, SessionStore.layerFile(path))
      yield* files.writeFileString(`${path}.new`, '{"format":"disruption-ga')
      yield* Effect.gen(function* () {
        const store = yield* SessionStore
        assert.deepStrictEqual(yield* store.get(shard), Option.some(session(42)))
      }).pipe(Effect.provide(SessionStore.layerFile(path)))
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.effect("do not follow a link that lies in the way, and are for their owner alone", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const path = yield* temporaryFile
      const other = `${path}.other`
      yield* files.writeFileString(other, "of somebody else")
      yield* files.symlink(other, `${path}.new`)
      yield* Effect.provide(behaves, SessionStore.layerFile(path))
      assert.strictEqual(yield* files.readFileString(other), "of somebody else")
      assert.strictEqual((yield* files.stat(path)).mode & 0o777, 0o600)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.live("are written one after the other, though one is given up that the disk has not done yet", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const path = yield* temporaryFile
      const renames: Array<() => void> = []
      let [isSlow, meanwhile] = [false, 0]
      // A call of the disk goes on when nobody waits for it any more.
      const slow = FileSystem.FileSystem.of({
        ...files,
        remove: (...file) => {
          meanwhile += renames.length
          return files.remove(...file)
        },
        rename: (from, to) =>
          isSlow
            ? Effect.callback((resume) => {
                renames.push(() => {
                  renameSync(from, to)
                  resume(Effect.void)
                })
              })
            : files.rename(from, to)
      })
      yield* Effect.gen(function* () {
        const store = yield* SessionStore
        isSlow = true
        const givenUp = yield* Effect.forkChild(store.set(session(1)))
        yield* untilTrue(() => renames.length === 1)
        yield* Fiber.interrupt(givenUp)
        isSlow = false
        const next = yield* Effect.forkChild(store.set(session(2)), { startImmediately: true })
        renames.shift()?.()
        yield* Fiber.join(next)
        assert.strictEqual(meanwhile, 0)
      }).pipe(
        Effect.provide(SessionStore.layerFile(path).pipe(Layer.provide(Layer.succeed(FileSystem.FileSystem, slow))))
      )
      yield* Effect.gen(function* () {
        const store = yield* SessionStore
        assert.deepStrictEqual(yield* store.get(shard), Option.some(session(2)))
      }).pipe(Effect.provide(SessionStore.layerFile(path)))
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.effect("in a folder that is not there fail at start", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFile}/nowhere/sessions.json`
      const error = yield* Effect.flip(Effect.provide(SessionStore, SessionStore.layerFile(path)))
      assert.include(error.message, path)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})

describe("a store of effect/persistence that is away when the program starts", () => {
  it.effect("fails each call until it is there, and not the program; it is opened once", () =>
    Effect.gen(function* () {
      const memory = yield* Persistence.BackingPersistence
      let [isAway, opened] = [true, 0]
      const database = Layer.succeed(
        Persistence.BackingPersistence,
        Persistence.BackingPersistence.of({
          make: (storeId) =>
            Effect.suspend(() => {
              if (isAway) return Effect.die(new Error("connect ECONNREFUSED"))
              opened++
              return memory.make(storeId)
            })
        })
      )
      yield* Effect.gen(function* () {
        const store = yield* SessionStore
        const error = yield* Effect.flip(store.get(shard))
        assert.include(error.message, "ECONNREFUSED")
        yield* Effect.flip(store.set(session(1)))
        isAway = false
        yield* Effect.all([store.set(session(2)), store.set(session(2)), store.set(session(2))], {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(yield* store.get(shard), Option.some(session(2)))
        assert.strictEqual(opened, 1)
      }).pipe(Effect.provide(SessionStore.layerPersisted.pipe(Layer.provide(database))))
    }).pipe(Effect.provide(Persistence.layerBackingMemory))
  )
})

describe("a client of a database that connects when it is built", () => {
  it.effect("is built at the first call, again after a failure, and ends with the program", () =>
    Effect.gen(function* () {
      let [isAway, built, closed] = [true, 0, 0]
      const client = Layer.effect(
        Persistence.BackingPersistence,
        Effect.gen(function* () {
          if (isAway) return yield* Effect.fail("connect ECONNREFUSED")
          yield* Effect.acquireRelease(
            Effect.sync(() => built++),
            () => Effect.sync(() => closed++)
          )
          return yield* Persistence.BackingPersistence
        })
      ).pipe(Layer.provide(Persistence.layerBackingMemory))
      yield* Effect.gen(function* () {
        const store = yield* SessionStore
        for (let call = 0; call < 2; call++) {
          assert.include((yield* Effect.flip(store.get(shard))).message, "ECONNREFUSED")
        }
        isAway = false
        yield* store.set(session(3))
        assert.deepStrictEqual(yield* store.get(shard), Option.some(session(3)))
        assert.deepStrictEqual([built, closed], [1, 0])
      }).pipe(Effect.provide(SessionStore.layerPersistedFrom(client)))
      assert.deepStrictEqual([built, closed], [1, 1])
    })
  )
})

/** Schema of what releases before 0.2 store and read. */
const StoredBefore = Schema.Struct({
  version: Schema.Literal(1),
  session: Schema.Struct({
    id: Schema.NonEmptyString,
    resumeUrl: Schema.NonEmptyString,
    sequence: Schema.Int,
    shard: Schema.Struct({ id: Schema.Int, total: Schema.Int }),
    intents: Schema.Int,
    origin: Schema.String
  })
})

const encodeBefore = Schema.encodeSync(StoredBefore)
const decodeBefore = Schema.decodeUnknownSync(StoredBefore)

describe("sessions of another release", () => {
  const stores = SessionStore.layerPersisted.pipe(Layer.provideMerge(Persistence.layerBackingMemory))
  const identity = new Identity({
    user: { id: "1", username: "bot", global_name: null },
    application: { id: "2", flags: 8 },
    guilds: ["30", "31"]
  })
  const raw = Effect.flatMap(Persistence.BackingPersistence, ({ make }) => make("disruption-gateway_sessions"))

  it.effect("that knew of no identity are read, and what this release stores beside it is read by that one", () =>
    Effect.gen(function* () {
      const before = yield* raw
      const store = yield* SessionStore
      yield* before.set(shard.toString(), encodeBefore({ version: 1, session: session(7) }), undefined)
      assert.deepStrictEqual(yield* store.get(shard), Option.some(session(7)))
      const identified = new Session({ ...session(8), identity })
      yield* store.set(identified)
      const read = decodeBefore(yield* before.get(shard.toString()))
      assert.strictEqual(read.session.sequence, 8)
      // It goes on with the session, and leaves alone what it does not know.
      yield* before.set(
        shard.toString(),
        encodeBefore({ version: 1, session: { ...read.session, sequence: 9 } }),
        undefined
      )
      assert.deepStrictEqual(yield* store.get(shard), Option.some(new Session({ ...identified, sequence: 9 })))
      // A session that it has begun itself is not taken for that of the identity.
      yield* before.set(
        shard.toString(),
        encodeBefore({ version: 1, session: { ...read.session, id: "another" } }),
        undefined
      )
      assert.deepStrictEqual(
        Option.map(yield* store.get(shard), ({ id, identity }) => [id, identity]),
        Option.some(["another", undefined])
      )
    }).pipe(Effect.provide(stores), Effect.scoped)
  )

  it.effect("in a newer format are refused in words, and kept aside when a new one is stored", () =>
    logged((lines) =>
      Effect.gen(function* () {
        const other = yield* raw
        const store = yield* SessionStore
        const newer = { version: 2, session: { something: "else" } }
        yield* other.set(shard.toString(), newer, undefined)
        assert.deepStrictEqual(yield* store.get(shard), Option.none())
        const log = lines.join("\n")
        assert.include(log, "a newer release has stored it in format 2, where this one reads format 1")
        assert.include(log, `${shard.toString()}/format-2`)
        yield* store.set(session(1))
        assert.deepStrictEqual(yield* store.get(shard), Option.some(session(1)))
        assert.deepStrictEqual(yield* other.get(`${shard.toString()}/format-2`), newer)
      }).pipe(Effect.provide(stores), Effect.scoped)
    )
  )

  it.effect("in a file of a newer format are refused in words, and the file is put aside", () =>
    logged((lines) =>
      Effect.gen(function* () {
        const files = yield* FileSystem.FileSystem
        const path = yield* temporaryFile
        const content = '{"format":"disruption-gateway/sessions","version":2,"sessions":{}}'
        yield* files.writeFileString(path, content)
        yield* Effect.provide(behaves, SessionStore.layerFile(path))
        assert.strictEqual(yield* files.readFileString(`${path}.unreadable`), content)
        assert.include(lines.join("\n"), "a newer release has stored it in format 2, where this one reads format 1")
      }).pipe(Effect.provide(NodeFileSystem.layer))
    )
  )
})

describe("sessions in a store of effect/persistence", () => {
  const memory = SessionStore.layerPersisted.pipe(
    Layer.provideMerge(Persistence.layerBackingKvs),
    Layer.provideMerge(KeyValueStore.layerMemory)
  )

  const entries = [
    ["that is cut off", '[{"version":1,"session":{"id":"abc"'],
    ["with something else in it", '[{"hello":"world"},null]'],
    ["with a wrong sequence", '[{"version":1,"session":{"id":"a","sequence":-1}},null]']
  ] as const
  for (const [what, entry] of entries) {
    it.effect(`${what} are reported and count as none`, () =>
      logged((lines) =>
        Effect.gen(function* () {
          const values = yield* KeyValueStore.KeyValueStore
          const store = yield* SessionStore
          yield* store.set(session(1))
          const [key] = yield* values.keys
          yield* values.set(key ?? "", entry)
          assert.deepStrictEqual(yield* store.get(shard), Option.none())
          assert.include(lines.join("\n"), "cannot be read")
          yield* store.set(session(2))
          assert.deepStrictEqual(yield* store.get(shard), Option.some(session(2)))
        }).pipe(Effect.provide(memory))
      )
    )
  }
})
