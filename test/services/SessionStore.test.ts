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
import { ShardId } from "../../src/schema/ShardId.ts"
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

describe("sessions in a store of effect/persistence", () => {
  const memory = SessionStore.layerPersisted.pipe(
    Layer.provideMerge(Persistence.layerBackingKvs),
    Layer.provideMerge(KeyValueStore.layerMemory)
  )

  const entries = [
    ["of another version", '[{"version":2,"session":{}},null]'],
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
