/**
 * Contract of every session store.
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Session } from "../../src/schema/Session.ts"
import { ShardId } from "../../src/schema/ShardId.ts"
import { IdentifyStore } from "../../src/services/IdentifyStore.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"

export const shard = new ShardId({ id: 3, total: 7_000_003 })
export const session = (sequence: number, of = shard) =>
  new Session({
    id: "abc",
    resumeUrl: "wss://gateway-us-east1-b.discord.gg",
    sequence,
    shard: of,
    intents: 513,
    origin: "https://discord.com/api/v10"
  })

/** The contract's tests, for one store. */
export const behaves = Effect.gen(function* () {
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

const record = { times: [1_700_000_000_000], starts: 3 }

/** The times of IDENTIFYs, which are kept beside the sessions. */
const identifies = Effect.flatMap(IdentifyStore, (times) =>
  times === undefined ? Effect.die(new Error("There is no store of times")) : Effect.succeed(times)
)

/** A second run of the program finds what the first one kept. */
export const outlives = <E, R>(store: Layer.Layer<SessionStore, E, R>) =>
  Effect.gen(function* () {
    yield* Effect.andThen(
      behaves,
      Effect.flatMap(identifies, ({ save }) => save(shard, record))
    ).pipe(Effect.provide(store))
    yield* Effect.gen(function* () {
      const store = yield* SessionStore
      assert.deepStrictEqual(yield* store.get(shard), Option.some(session(42)))
      assert.deepStrictEqual(yield* Effect.flatMap(identifies, ({ load }) => load([shard])), [Option.some(record)])
      yield* store.remove(shard)
      assert.deepStrictEqual(yield* store.get(shard), Option.none())
    }).pipe(Effect.provide(Layer.fresh(store)))
  })
