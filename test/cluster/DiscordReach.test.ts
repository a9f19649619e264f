import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { TestClock } from "effect/testing"
import * as DiscordReach from "../../src/cluster/DiscordReach.ts"
import { ShardId } from "../../src/schema/ShardId.ts"
import type { ShardState, ShardStatus } from "../../src/schema/ShardStatus.ts"

const statusOf = (state: ShardState, id: number): ShardStatus => ({
  shard: new ShardId({ id, total: 4 }),
  state,
  since: DateTime.makeUnsafe(0),
  sessionId: Option.none(),
  sequence: Option.none(),
  latency: Option.none(),
  waitingToSend: 0,
  reconnects: 0,
  lastReason: Option.none()
})

/** A machine under watch, and whether it has retreated. */
const machine = Effect.gen(function* () {
  const network = { reaches: true, othersReach: true }
  const state: { shards: ReadonlyArray<ShardState>; inRetreat: boolean; retreats: number } = {
    shards: ["ready", "ready"],
    inRetreat: false,
    retreats: 0
  }
  yield* Effect.forkScoped(
    DiscordReach.watch({
      here: Effect.sync(() => state.shards.map(statusOf)),
      isReached: Effect.sync(() => network.reaches),
      isReachedByOthers: Effect.sync(() => network.othersReach),
      retreat: {
        begin: Effect.sync(() => {
          state.retreats++
          state.inRetreat = true
        }),
        goOn: Effect.void,
        end: Effect.sync(() => {
          state.inRetreat = false
        })
      }
    })
  )
  return { network, state }
})

describe("a machine of a cluster", () => {
  it.effect("leaves its shards to the others when it cannot reach Discord, and takes part again when it can", () =>
    Effect.gen(function* () {
      const { network, state } = yield* machine
      network.reaches = false
      yield* TestClock.adjust("1 minute")
      assert.isFalse(state.inRetreat, "its connections stand")
      state.shards = ["waiting", "connecting"]
      yield* TestClock.adjust("9 seconds")
      assert.isFalse(state.inRetreat, "a reconnect takes a moment")
      yield* TestClock.adjust("5 seconds")
      assert.isTrue(state.inRetreat)
      state.shards = []
      yield* TestClock.adjust("1 hour")
      assert.isTrue(state.inRetreat)
      network.reaches = true
      yield* TestClock.adjust("20 seconds")
      assert.isFalse(state.inRetreat)
      assert.strictEqual(state.retreats, 1)
    })
  )

  it.effect("keeps its shards while nobody reaches Discord, and while one of them is connected", () =>
    Effect.gen(function* () {
      const { network, state } = yield* machine
      network.reaches = false
      network.othersReach = false
      state.shards = ["waiting", "greeting"]
      yield* TestClock.adjust("1 hour")
      network.othersReach = true
      state.shards = ["waiting", "ready"]
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(state.retreats, 0)
    })
  )

  it.effect("keeps its shards while they wait for their turn, or only for the next attempt", () =>
    Effect.gen(function* () {
      const { network, state } = yield* machine
      state.shards = ["waiting", "waiting"]
      yield* TestClock.adjust("1 hour")
      network.reaches = false
      state.shards = ["queued", "waiting"]
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(state.retreats, 0)
    })
  )

  it.effect("does not come and go with a network that does", () =>
    Effect.gen(function* () {
      const { network, state } = yield* machine
      network.reaches = false
      state.shards = ["waiting"]
      yield* TestClock.adjust("15 seconds")
      for (let minute = 0; minute < 60; minute++) {
        network.reaches = !network.reaches
        yield* TestClock.adjust("7 seconds")
      }
      assert.isTrue(state.inRetreat)
      assert.strictEqual(state.retreats, 1)
    })
  )
})
