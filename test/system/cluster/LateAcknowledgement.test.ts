import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as FencedSessionStore from "../../../src/services/FencedSessionStore.ts"
import * as SqlFencedSessions from "../../../src/services/SqlFencedSessions.ts"
import type { Delivery } from "../../../src/gateway/Delivery.ts"
import { Gateway } from "../../../src/gateway/Gateway.ts"
import type { ShardEvent } from "../../../src/schema/ShardEvent.ts"
import { GatewayConfig } from "../../../src/services/GatewayConfig.ts"
import { SessionStore } from "../../../src/services/SessionStore.ts"
import { type Lease, ShardLease } from "../../../src/services/ShardLease.ts"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import * as Database from "../../cluster/Database.ts"
import { hasPostgres } from "../../support/LocalServices.ts"
import { until, untilTrue } from "../../support/Patience.ts"

const shard = "0/1"

/** An owner of the shard on a store of its own, which handles nothing until it is told to. */
const owner = Effect.fnUntraced(function* (databaseUrl: string) {
  const mayConnect = Latch.makeUnsafe(true)
  /** The worst that a machine may believe after it has lost the shard: that it has it. Only it connects no more. */
  const lease: Lease = { isHeld: () => true, held: mayConnect.await, isConfirmedSince: () => false }
  const sessions = FencedSessionStore.layer("6 seconds").pipe(
    Layer.provide(SqlFencedSessions.layer("cluster")),
    Layer.provide(PgClient.layer({ url: Redacted.make(databaseUrl) }))
  )
  const store = Layer.effect(
    SessionStore,
    Effect.map(SessionStore, (sessions) => FencedSessionStore.under(lease, sessions))
  ).pipe(Layer.provide(sessions))
  const context = yield* Layer.build(
    Layer.fresh(
      Gateway.layer.pipe(
        Layer.provide([store, Layer.succeed(ShardLease, lease)]),
        Layer.provide(
          GatewayConfig.layer({ token: "simulated-token", compression: "none", shards: 1, saveEvery: "10 millis" })
        )
      )
    )
  )
  const gateway = Context.get(context, Gateway)
  const deliveries: Array<Delivery> = []
  yield* Effect.forkScoped(
    Stream.runForEach(gateway.deliveries, (delivery) => Effect.sync(() => void deliveries.push(delivery)))
  )
  const changes: Array<ShardEvent> = []
  yield* Effect.forkScoped(Stream.runForEach(gateway.changes, (change) => Effect.sync(() => void changes.push(change))))
  return {
    deliveries,
    changes,
    acknowledge: Effect.suspend(() => Effect.forEach([...deliveries], ({ ack }) => ack, { discard: true })),
    connectNoMore: Effect.sync(() => mayConnect.closeUnsafe())
  }
})

describe.skipIf(!hasPostgres)("an acknowledgement by a machine that has lost the shard", () => {
  it.live("does not move the mark that the new owner has stored", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      const simulator = yield* DiscordSimulator
      const stored = Effect.map(database.sequences, (sequences) => sequences.get(shard) ?? 0)
      const dispatch = (count: number) =>
        simulator.dispatchAll(
          Array.from({ length: count }, (_, id) => ({ t: "MESSAGE_CREATE", d: { id: String(id) } }))
        )

      const before = yield* owner(database.url())
      const told =
        ({ changes, deliveries }: Effect.Success<ReturnType<typeof owner>>) =>
        () =>
          JSON.stringify([changes, deliveries.map(({ payload: { s } }) => s)])
      yield* untilTrue(() => before.deliveries.some(({ payload }) => payload.t === "READY"), told(before))
      yield* dispatch(30)
      yield* untilTrue(() => before.deliveries.some(({ payload }) => payload.s === 31), told(before))
      // Stored by the owner that it is: the acknowledgement would be stored if it came in time.
      yield* Effect.forEach(before.deliveries.slice(0, 12), ({ ack }) => ack)
      const first = yield* until(stored, (sequence) => sequence >= 10)

      yield* before.connectNoMore
      const after = yield* owner(database.url())
      yield* untilTrue(() => after.deliveries.some(({ payload }) => payload.t === "RESUMED"), told(after))
      yield* dispatch(5)
      yield* untilTrue(() => after.deliveries.some(({ payload }) => payload.s !== null && payload.s > 31), told(after))
      yield* Effect.forEach(after.deliveries.slice(0, 8), ({ ack }) => ack)
      const second = yield* until(stored, (sequence) => sequence > first)

      // All that it was handed, which is more than the new owner has handled.
      yield* before.acknowledge
      yield* untilTrue(
        () =>
          before.changes.some(
            (change) =>
              change._tag === "StoreFailed" && change.description.includes("another instance has taken the shard")
          ),
        () => JSON.stringify(before.changes)
      )
      assert.isBelow(second, Math.max(...before.deliveries.map(({ payload }) => payload.s ?? 0)))
      assert.strictEqual(yield* stored, second)

      yield* after.acknowledge
      const last = Math.max(...after.deliveries.map(({ payload }) => payload.s ?? 0))
      yield* until(stored, (sequence) => sequence === last)
      assert.strictEqual((yield* simulator.counts).identifies, 1)
    }).pipe(Effect.provide(Layer.merge(DiscordSimulator.layer, Logger.layer([]))))
  )
})
