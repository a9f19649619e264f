/**
 * Owner of a session file: a small file beside it, whose name has the owner's epoch.
 *
 * A claim makes the file of the next epoch, which only one of several instances can; the owner is the one of the highest. An
 * instance is followed when its process is gone, which is known where both are on one computer, or when its file has not changed
 * for the time of its lease, by the clock of the one that waits. So clocks of several computers need not agree.
 */
import { readlinkSync, readFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { SessionHolder } from "../schema/SessionHolder.ts"
import * as FileFence from "../services/FileFence.ts"
import * as MonotonicTime from "../services/MonotonicTime.ts"
import { type OwnerAnswer, type OwnerClaim, OwnerStore } from "../services/OwnerStore.ts"

const Content = Schema.fromJsonString(
  Schema.Struct({
    token: Schema.String,
    holder: SessionHolder,
    /** Where process numbers mean the same: this boot of this computer, and this container on it. */
    processes: Schema.String,
    /** Counts the renewals, so that each one changes the file. */
    renewal: Schema.Int,
    released: Schema.Boolean
  })
)
const decode = Schema.decodeUnknownOption(Content)
const encode = Schema.encodeSync(Content)

const lineOf = (read: () => string) => Result.getOrElse(Result.try(read), () => "").trim()

/** Empty where it cannot be known: then no process is taken for gone. */
const processes = lineOf(
  () => `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()} ${readlinkSync("/proc/self/ns/pid")}`
)

/** Whether a process is gone for certain: signal 0 finds none. */
const isGone = (pid: number): boolean =>
  Result.match(
    Result.try(() => process.kill(pid, 0)),
    {
      onSuccess: () => false,
      onFailure: (error) => error instanceof Error && "code" in error && error.code === "ESRCH"
    }
  )

/** The answer that the instance of this content holds the sessions. */
const heldBy = (text: string): OwnerAnswer => ({
  _tag: "Held",
  by: Option.getOrUndefined(Option.map(decode(text), ({ holder }) => holder))
})

const make = Effect.fnUntraced(function* (path: string) {
  const files = yield* FileSystem.FileSystem
  const prefix = `${basename(path)}.owner.`
  const fileOf = (epoch: number) => join(dirname(path), `${prefix}${epoch}`)
  let own: { readonly claim: OwnerClaim; readonly epoch: number } | undefined
  let renewal = 0
  let seen: { readonly text: string; readonly since: number } | undefined

  const epochs = Effect.map(files.readDirectory(dirname(path)), (names) =>
    names
      .flatMap((name) => {
        const [, epoch] = name.startsWith(prefix) ? (/\.owner\.(\d+)$/.exec(name) ?? []) : []
        return epoch === undefined ? [] : [Number(epoch)]
      })
      .toSorted((a, b) => b - a)
  )
  const textOf = (epoch: number) => Effect.orElseSucceed(files.readFileString(fileOf(epoch)), () => "")
  const contentOf = ({ holder, token }: OwnerClaim, released: boolean) =>
    encode({ token, holder, processes, renewal: renewal++, released })

  const isFree = Effect.fnUntraced(function* (text: string, lease: number) {
    const content = decode(text)
    if (Option.isSome(content)) {
      const { holder, processes: theirs, released } = content.value
      if (released || (processes !== "" && theirs === processes && isGone(holder.pid))) return true
    }
    const now = yield* MonotonicTime.now
    if (seen?.text !== text) seen = { text, since: now }
    return now - seen.since >= lease
  })

  /** Replaces the content of one's own file whole. */
  const write = (epoch: number, text: string) =>
    Effect.andThen(
      files.writeFileString(`${fileOf(epoch)}.new`, text, { mode: 0o600 }),
      files.rename(`${fileOf(epoch)}.new`, fileOf(epoch))
    )

  const renew = Effect.fnUntraced(function* (claim: OwnerClaim, epoch: number, latest: number) {
    if (latest > epoch) return heldBy(yield* textOf(latest))
    yield* write(epoch, contentOf(claim, false))
    const [after = epoch] = yield* epochs
    return after > epoch ? heldBy(yield* textOf(after)) : ({ _tag: "Granted", epoch } satisfies OwnerAnswer)
  })

  const follow = Effect.fnUntraced(function* (claim: OwnerClaim, latest: number) {
    const epoch = latest + 1
    const made = yield* Effect.result(
      files.writeFileString(fileOf(epoch), contentOf(claim, false), { flag: "wx", mode: 0o600 })
    )
    if (Result.isFailure(made)) {
      if (yield* files.exists(fileOf(epoch))) return heldBy(yield* textOf(epoch))
      return yield* made.failure
    }
    const [after = epoch, ...earlier] = yield* epochs
    if (after > epoch) {
      // It was made after that of an owner which has gone and been followed.
      yield* files.remove(fileOf(epoch), { force: true })
      return heldBy(yield* textOf(after))
    }
    // Files that earlier owners have begun are gone before this one reads the sessions.
    const begun = (yield* files.readDirectory(dirname(path))).filter(
      (name) => (FileFence.epochOf(basename(path), name) ?? epoch) < epoch
    )
    yield* Effect.forEach(
      [...begun.map((name) => join(dirname(path), name)), ...earlier.map(fileOf)],
      (file) => files.remove(file, { force: true }),
      { discard: true }
    )
    own = { claim, epoch }
    return { _tag: "Granted", epoch } satisfies OwnerAnswer
  })

  /** One call at a time, and each to its end: what the disk was told it does, whoever waits for it. */
  const oneAtATime = yield* Semaphore.make(1)
  const toItsEnd = <A, E>(call: Effect.Effect<A, E>) =>
    Effect.flatMap(Effect.forkDetach(oneAtATime.withPermits(1)(call)), Fiber.join)

  const store = OwnerStore.of({
    claim: Effect.fnUntraced(function* (claim) {
      const [latest = 0] = yield* epochs
      if (own?.claim.token === claim.token) return yield* renew(claim, own.epoch, latest)
      const text = latest === 0 ? "" : yield* textOf(latest)
      const mayFollow = claim.epoch === undefined && (latest === 0 || (yield* isFree(text, claim.lease)))
      if (!mayFollow) return heldBy(text)
      return yield* follow(claim, latest)
    }, toItsEnd),
    release: Effect.fnUntraced(function* (token) {
      if (own?.claim.token !== token) return
      const { claim, epoch } = own
      own = undefined
      const [latest] = yield* epochs
      if (latest === epoch) yield* write(epoch, contentOf(claim, true))
    }, toItsEnd)
  })
  const fence: FileFence.Fence = {
    epoch: () => own?.epoch,
    isFollowed: (epoch) => Effect.map(epochs, ([latest = 0]) => latest > epoch)
  }
  return Context.make(OwnerStore, store).pipe(Context.add(FileFence.FileFence, fence))
})

/** Keeps the owner of the session file at `path` beside it, and fences that file. */
export const layer = (path: string): Layer.Layer<OwnerStore, never, FileSystem.FileSystem> =>
  Layer.effectContext(make(path))
