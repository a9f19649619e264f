/**
 * Store of guilds beside fenced sessions: it takes a shard's guilds under the epoch of its session alone, so that an owner of
 * before, however late it writes, changes none of them.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Persistence from "effect/persistence/Persistence"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { FencedSessions } from "./FencedSessions.ts"
import { StoreName } from "./StoreName.ts"

/** The guilds beside the sessions of the `SessionStore`; undefined where that is not fenced. */
export const FencedGuilds: Context.Reference<Persistence.BackingPersistenceStore | undefined> = Context.Reference<
  Persistence.BackingPersistenceStore | undefined
>("disruption-gateway/services/FencedGuilds", { defaultValue: () => undefined })

/** Name of the store of guilds, whose keys are a shard, or a shard and the name of what is kept for it. */
export const guildsStoreId = "disruption-gateway_guilds"

/** A write was refused, because another instance has taken the shard over. */
export const superseded = new Persistence.PersistenceError({ message: "another instance has taken the shard over" })

const Text = Schema.fromJsonString(Schema.ObjectKeyword)
const encode = Schema.encodeSync(Text)
const decode = Schema.decodeUnknownResult(Text)

/** Shard and name of a key. The name of the bot is left out: fenced sessions are of one bot already. */
const partsOf = (key: string, bot: string | undefined) => {
  const own = bot !== undefined && key.startsWith(`${bot}/`) ? key.slice(bot.length + 1) : key
  const [, shard = own, name = ""] = /^(\d+\/\d+)(?:\/(.+))?$/.exec(own) ?? []
  return { shard, name }
}

/** The store; `epochOf` gives the epoch under which this instance has a shard. */
export const make = (
  sessions: FencedSessions["Service"],
  epochOf: (shard: string) => number | undefined
): Persistence.BackingPersistenceStore => {
  const read = Effect.fnUntraced(function* (keys: ReadonlyArray<string>) {
    const bot = yield* StoreName
    const parts = keys.map((key) => partsOf(key, bot))
    const byShard = new Map<string, Array<string>>()
    for (const { name, shard } of parts) byShard.set(shard, [...(byShard.get(shard) ?? []), name])
    const found = yield* Effect.forEach(byShard, ([shard, names]) =>
      Effect.map(sessions.readBeside(shard, names), (texts) => [shard, texts] as const)
    )
    const texts = new Map(found)
    // Text that is no JSON is none of ours.
    return parts.map(({ name, shard }) => Result.getOrElse(decode(texts.get(shard)?.get(name)), () => undefined))
  })

  const write = Effect.fnUntraced(function* (
    entries: ReadonlyArray<readonly [key: string, value: object | undefined]>
  ) {
    const bot = yield* StoreName
    const byShard = new Map<string, Map<string, string | undefined>>()
    for (const [key, value] of entries) {
      const { name, shard } = partsOf(key, bot)
      const texts = byShard.get(shard) ?? new Map<string, string | undefined>()
      byShard.set(shard, texts.set(name, value === undefined ? undefined : encode(value)))
    }
    yield* Effect.forEach(
      byShard,
      ([shard, texts]) => {
        const epoch = epochOf(shard)
        if (epoch === undefined) {
          return Effect.fail(new Persistence.PersistenceError({ message: "the shard was not taken yet" }))
        }
        return Effect.filterOrFail(
          sessions.writeBeside({ shard, epoch, texts: [...texts] }),
          (isWritten) => isWritten,
          () => superseded
        )
      },
      { discard: true }
    )
  })

  return {
    get: (key) => Effect.map(read([key]), ([value]) => value),
    getMany: ([first, ...others]) =>
      Effect.map(Effect.all([read([first]), read(others)]), ([[value], values]) => [value, ...values]),
    set: (key, value) => write([[key, value]]),
    setMany: (entries) => write(entries.map(([key, value]) => [key, value])),
    remove: (key) => write([[key, undefined]]),
    clear: Effect.fail(new Persistence.PersistenceError({ message: "guilds are forgotten by shard" }))
  }
}
