/**
 * A `KeyValueStore` in one file, for sessions that outlive the process without a database.
 *
 * The file is replaced whole: a new one is written, brought to the disk, and renamed, so that neither a kill nor a power cut
 * leaves half of one; an owner that was followed replaces it no more (`FileFence`). It is read at the first call and not before: until then another instance may write it, which this one
 * waits for (`GatewayOwner`). A file that cannot be read is put aside, never overwritten.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import type { PlatformError } from "effect/PlatformError"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as FileFence from "./FileFence.ts"
import * as StoredSession from "./StoredSession.ts"

const Content = Schema.fromJsonString(
  Schema.Struct({
    format: Schema.Literal("disruption-gateway/sessions"),
    version: Schema.Literal(1),
    sessions: Schema.Record(Schema.String, Schema.String)
  })
)

const decode = Schema.decodeUnknownEffect(Content)
const encode = Schema.encodeSync(Content)
const decodeJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))

/** Keeps everything in the file at `path`, whose folder must be there. */
export const layer = (path: string): Layer.Layer<KeyValueStore.KeyValueStore, PlatformError, FileSystem.FileSystem> =>
  Layer.effect(
    KeyValueStore.KeyValueStore,
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const fence = yield* FileFence.FileFence
      const opened = yield* Effect.cached(
        Effect.map(
          Effect.andThen(discardBegun(files, path, fence), read(files, path)),
          (found) => new Map<string, string>(Object.entries(found))
        )
      )
      const oneAtATime = yield* Semaphore.make(1)
      let wanted = 0
      let written = 0

      // Whoever writes, writes for all that are waiting.
      const replace = Effect.flatMap(opened, (sessions) => {
        if (written === wanted) return Effect.void
        const version = wanted
        const text = encode({
          format: "disruption-gateway/sessions",
          version: 1,
          sessions: Object.fromEntries(sessions)
        })
        return replaceFile(files, path, text, fence).pipe(
          Effect.andThen(
            Effect.sync(() => {
              written = version
            })
          )
        )
      }).pipe(
        oneAtATime.withPermits(1),
        // The disk goes on with what it was told when nobody waits for it any more, so it is not told anything else meanwhile.
        Effect.forkDetach,
        Effect.flatMap(Fiber.join)
      )

      const change = (f: (sessions: Map<string, string>) => void) =>
        Effect.mapError(
          Effect.flatMap(opened, (sessions) => {
            f(sessions)
            wanted++
            return replace
          }),
          (cause) => new KeyValueStore.KeyValueStoreError({ message: cause.message, method: "set", cause })
        )

      const look = <A>(method: string, f: (sessions: ReadonlyMap<string, string>) => A) =>
        Effect.mapBoth(opened, {
          onFailure: (cause) => new KeyValueStore.KeyValueStoreError({ message: cause.message, method, cause }),
          onSuccess: f
        })

      yield* probe(files, path)

      return KeyValueStore.makeStringOnly({
        get: (key) => look("get", (sessions) => sessions.get(key)),
        set: (key, value) => change((sessions) => sessions.set(key, value)),
        remove: (key) => change((sessions) => sessions.delete(key)),
        clear: change((sessions) => sessions.clear()),
        size: look("size", (sessions) => sessions.size),
        keys: look("keys", (sessions) => [...sessions.keys()])
      })
    })
  )

const superseded = { message: "another instance has taken the sessions over" }

/** The new file is made afresh and exclusively: a link that lies there under its name is removed, not followed. */
const replaceFile = Effect.fnUntraced(function* (
  files: FileSystem.FileSystem,
  path: string,
  text: string,
  fence: FileFence.Fence | undefined
) {
  const epoch = fence?.epoch()
  if (fence !== undefined && epoch === undefined) return yield* Effect.fail(superseded)
  const fresh = epoch === undefined ? `${path}.new` : FileFence.freshOf(path, epoch)
  yield* files.remove(fresh, { force: true })
  yield* Effect.scoped(
    Effect.flatMap(files.open(fresh, { flag: "wx", mode: 0o600 }), (file) =>
      Effect.andThen(file.writeAll(new TextEncoder().encode(text)), file.sync)
    )
  )
  if (fence === undefined || epoch === undefined) yield* files.rename(fresh, path)
  else {
    const isFollowed = yield* fence.isFollowed(epoch)
    if (isFollowed) yield* files.remove(fresh, { force: true })
    if (isFollowed) return yield* Effect.fail(superseded)
    yield* Effect.catchIf(
      files.rename(fresh, path),
      ({ reason }) => reason._tag === "NotFound",
      () => Effect.fail(superseded)
    )
  }
  yield* Effect.scoped(Effect.flatMap(files.open(folderOf(path), { flag: "r" }), (folder) => folder.sync)).pipe(
    // Some file systems know no such thing: then the rename is on the disk when they bring it there.
    Effect.ignore
  )
})

/** Removes the new files that owners before this one have begun, before the file is read: none of them is renamed after that. */
const discardBegun = Effect.fnUntraced(function* (
  files: FileSystem.FileSystem,
  path: string,
  fence: FileFence.Fence | undefined
) {
  const epoch = fence?.epoch()
  if (epoch === undefined) return
  const name = path.replace(/^.*[/\\]/, "")
  const names = yield* files.readDirectory(folderOf(path))
  const begun = names.filter((other) => (FileFence.epochOf(name, other) ?? epoch) < epoch)
  yield* Effect.forEach(begun, (other) => files.remove(`${path.slice(0, -name.length)}${other}`, { force: true }), {
    discard: true
  })
})

/** Reports at the start that the folder cannot be written, without touching the file, which may be another instance's still. */
const probe = Effect.fnUntraced(function* (files: FileSystem.FileSystem, path: string) {
  if (!(yield* files.exists(path))) {
    return yield* Effect.catchIf(
      Effect.scoped(Effect.asVoid(files.open(path, { flag: "wx", mode: 0o600 }))),
      ({ reason }) => reason._tag === "AlreadyExists",
      () => Effect.void
    )
  }
  const token = yield* Random.nextIntBetween(0, 2 ** 40)
  const name = `${path}.${token.toString(36)}.probe`
  yield* Effect.scoped(files.open(name, { flag: "wx", mode: 0o600 }))
  yield* files.remove(name, { force: true })
})

const folderOf = (path: string): string => path.replace(/[^/\\]*$/, "") || "."

const read = Effect.fnUntraced(function* (files: FileSystem.FileSystem, path: string) {
  if (!(yield* files.exists(path))) return {}
  const text = yield* files.readFileString(path)
  if (text.trim() === "") return {}
  return yield* Effect.matchEffect(decode(text), {
    onSuccess: ({ sessions }) => Effect.succeed(sessions),
    onFailure: () => {
      const why = Option.match(StoredSession.newerVersionOf(Option.getOrUndefined(decodeJson(text))), {
        onNone: () => "",
        onSome: (version) => ` (${StoredSession.describeNewer(version)})`
      })
      return Effect.as(
        Effect.andThen(
          files.rename(path, `${path}.unreadable`),
          Effect.logWarning(`${path} has no sessions that can be read${why}: it was put aside as ${path}.unreadable`)
        ),
        {}
      )
    }
  })
})
