import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { TestClock } from "effect/testing"
import * as OwnerFile from "../../src/node/OwnerFile.ts"
import { SessionHolder } from "../../src/schema/SessionHolder.ts"
import { OwnerStore } from "../../src/services/OwnerStore.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import { session, shard } from "../support/SessionStores.ts"

const holder = new SessionHolder({ host: "a-host", pid: process.pid, since: DateTime.makeUnsafe(0) })

/** An instance on the file at `path`, which can be paused right before it gives a new file its name, or right before it looks. */
const instance = Effect.fnUntraced(function* (path: string, token: string) {
  const files = yield* FileSystem.FileSystem
  const goesOn = Latch.makeUnsafe(true)
  const arrived = Latch.makeUnsafe(false)
  let pausesBefore: "rename" | "readDirectory" | undefined
  const pause = (call: typeof pausesBefore) =>
    Effect.suspend(() => {
      if (call !== pausesBefore) return Effect.void
      arrived.openUnsafe()
      return goesOn.await
    })
  const paused = Layer.succeed(FileSystem.FileSystem, {
    ...files,
    rename: (from, to) => Effect.andThen(to === path ? pause("rename") : Effect.void, files.rename(from, to)),
    readDirectory: (folder, options) => Effect.andThen(pause("readDirectory"), files.readDirectory(folder, options))
  })
  const owner = OwnerFile.layer(path).pipe(Layer.provide(paused))
  const context = yield* Layer.build(
    Layer.fresh(SessionStore.layerFile(path).pipe(Layer.provide(paused), Layer.provideMerge(owner)))
  )
  const store = Context.get(context, OwnerStore)
  return {
    sessions: Context.get(context, SessionStore),
    claim: store.claim({ token, holder, epoch: undefined, lease: 1000 }),
    /** Writes, and is paused on the way until `goOn`. */
    setPaused: (sequence: number, before: "rename" | "readDirectory") =>
      Effect.gen(function* () {
        goesOn.closeUnsafe()
        pausesBefore = before
        const writing = yield* Effect.forkChild(Effect.flip(Context.get(context, SessionStore).set(session(sequence))))
        yield* arrived.await
        return writing
      }),
    goOn: goesOn.open
  }
})

describe("an owner of a session file", () => {
  it.effect("whose entry cannot be read, since another release wrote it, is followed after the lease", () =>
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const path = `${yield* files.makeTempDirectoryScoped()}/sessions.json`
      yield* files.writeFileString(`${path}.owner.7`, '{"version":9}')
      const { claim } = yield* instance(path, "one")
      assert.deepStrictEqual(yield* claim, { _tag: "Held", by: undefined })
      yield* TestClock.adjust("999 millis")
      assert.strictEqual((yield* claim)._tag, "Held")
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* claim, { _tag: "Granted", epoch: 8 })
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  for (const before of ["readDirectory", "rename"] as const) {
    it.effect(`that is paused before its ${before} and followed does not write over the new owner's sessions`, () =>
      Effect.gen(function* () {
        const files = yield* FileSystem.FileSystem
        const path = `${yield* files.makeTempDirectoryScoped()}/sessions.json`
        const [one, two] = [yield* instance(path, "one"), yield* instance(path, "two")]
        assert.deepStrictEqual(yield* one.claim, { _tag: "Granted", epoch: 1 })
        yield* one.sessions.set(session(10))
        const writing = yield* one.setPaused(11, before)
        assert.strictEqual((yield* two.claim)._tag, "Held")
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* two.claim, { _tag: "Granted", epoch: 2 })
        assert.deepStrictEqual(yield* two.sessions.get(shard), Option.some(session(10)))
        yield* two.sessions.set(session(20))
        yield* one.goOn
        assert.match((yield* Fiber.join(writing)).message, /another instance has taken the sessions over/)
        const three = yield* instance(path, "three")
        yield* three.claim
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* three.claim, { _tag: "Granted", epoch: 3 })
        assert.deepStrictEqual(yield* three.sessions.get(shard), Option.some(session(20)))
        const left = yield* files.readDirectory(path.replace("sessions.json", ""))
        assert.deepStrictEqual(left.toSorted(), ["sessions.json", "sessions.json.owner.3"])
      }).pipe(Effect.provide(NodeFileSystem.layer))
    )
  }
})
