/**
 * Stores as one bot has them: each call of theirs is under the bot's `StoreName`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import { botIdOf } from "./BotId.ts"
import { GuildSnapshots } from "./GuildSnapshots.ts"
import { IdentifyStore } from "./IdentifyStore.ts"
import { SessionStore } from "./SessionStore.ts"
import { ShardTotalStore } from "./ShardTotalStore.ts"
import { StoreName } from "./StoreName.ts"

/** The stores of the context under the name of the bot. */
export const contextOf = Effect.fnUntraced(function* (token: Redacted.Redacted<string>) {
  const name = (yield* StoreName) ?? botIdOf(token)
  const under = <A, E>(call: Effect.Effect<A, E>) => Effect.provideService(call, StoreName, name)
  const sessions = yield* SessionStore
  const identifies = yield* IdentifyStore
  const total = yield* ShardTotalStore
  const guilds = yield* Effect.serviceOption(GuildSnapshots)
  const stores = Context.make(SessionStore, {
    durable: sessions.durable,
    get: (shard) => under(sessions.get(shard)),
    set: (session) => under(sessions.set(session)),
    remove: (shard) => under(sessions.remove(shard))
  }).pipe(
    Context.add(
      IdentifyStore,
      identifies && {
        load: (shards) => under(identifies.load(shards)),
        save: (shard, record) => under(identifies.save(shard, record))
      }
    ),
    Context.add(ShardTotalStore, total && { load: under(total.load), save: (shards) => under(total.save(shards)) })
  )
  return Option.match(guilds, {
    onNone: (): Context.Context<SessionStore> => stores,
    onSome: (guilds) =>
      Context.add(stores, GuildSnapshots, {
        load: (shard, session) => under(guilds.load(shard, session)),
        save: (shard, session, changes) => under(guilds.save(shard, session, changes)),
        remove: (shard) => under(guilds.remove(shard))
      })
  })
})
