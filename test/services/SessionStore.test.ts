import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import * as Persistence from "effect/persistence/Persistence"
import * as Redacted from "effect/Redacted"
import { Session } from "../../src/schema/Session.ts"
import { ShardId } from "../../src/schema/ShardId.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import { hasPostgres, hasRedis } from "../support/LocalServices.ts"

const shard = new ShardId({ id: 3, total: 7_000_003 })
const session = (sequence: number, of = shard) =>
  new Session({
    id: "abc",
    resumeUrl: "wss://gateway-us-east1-b.discord.gg",
    sequence,
    shard: of,
    intents: 513,
    origin: "https://discord.com/api/v10"
  })

/** What every store has to do. */
const behaves = Effect.gen(function* () {
  const store = yield* SessionStore
  yield* store.remove(shard)
  assert.deepStrictEqual(yield* store.get(shard), Option.none())
  yield* store.set(session(1))
  yield* store.set(session(42))
  assert.deepStrictEqual(yield* store.get(shard), Option.some(session(42)))
  const other = new ShardId({ id: 4, total: shard.total })
  assert.deepStrictEqual(yield* store.get(other), Option.none())
  assert.isTrue(store.durable)
})

/** A second run of the program finds what the first one kept. */
const outlives = <E, R>(store: Layer.Layer<SessionStore, E, R>) =>
  Effect.gen(function* () {
    yield* Effect.provide(behaves, store)
    yield* Effect.gen(function* () {
      const store = yield* SessionStore
      assert.deepStrictEqual(yield* store.get(shard), Option.some(session(42)))
      yield* store.remove(shard)
      assert.deepStrictEqual(yield* store.get(shard), Option.none())
    }).pipe(Effect.provide(Layer.fresh(store)))
  })

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

  it.effect("in a folder that is not there fail at start", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFile}/nowhere/sessions.json`
      const error = yield* Effect.flip(Effect.provide(SessionStore, SessionStore.layerFile(path)))
      assert.include(error.message, path)
    }).pipe(Effect.provide(NodeFileSystem.layer))
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

  it.live.skipIf(!hasRedis)("outlive the program in Redis", () =>
    outlives(
      SessionStore.layerPersisted.pipe(
        Layer.provide(Persistence.layerBackingRedis),
        Layer.provide(NodeRedis.layer({ url: "redis://127.0.0.1:6379" }))
      )
    )
  )

  it.live.skipIf(!hasPostgres)("outlive the program in PostgreSQL", () =>
    outlives(
      SessionStore.layerPersisted.pipe(
        Layer.provide(Persistence.layerBackingSql),
        Layer.provide(PgClient.layer({ url: Redacted.make("postgres://postgres@127.0.0.1:5432/test") }))
      )
    )
  )
})
