import { assert, describe, it } from "@effect/vitest"
import { PresenceUpdateStatus } from "discord-api-types/v10"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { SendEvent } from "../../src/schema/SendEvent.ts"
import { Gateway } from "../../src/gateway/Gateway.ts"
import * as Act from "../../src/simulator/Act.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as Fault from "../../src/simulator/Fault.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

const idle = { since: null, activities: [], status: PresenceUpdateStatus.Idle, afk: false }
const numbered = (n: number) => SendEvent.raw(43, { guild_id: "1", fields: ["status"], n })

/** The payloads with this opcode that arrived, by connection. */
const received = (op: number) =>
  Effect.gen(function* () {
    const simulator = yield* DiscordSimulator
    const connections = yield* simulator.connections
    return connections.map(({ frames }) =>
      frames.filter((frame) => frame.op === op).map(({ payload }) => payload as { d: { n: number } })
    )
  })

describe("sending", () => {
  it.effect("waits for READY, and ends when the payload was written", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.identify(Fault.late("1 minute"), { times: 1 }))
      const gateway = yield* Gateway
      const sending = yield* Effect.forkChild(gateway.send(numbered(1)))
      yield* TestClock.adjust("59 seconds")
      assert.isUndefined(sending.pollUnsafe())
      assert.strictEqual((yield* gateway.shards)[0]?.waitingToSend, 1)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(sending)
      assert.deepStrictEqual(
        (yield* received(43)).map((frames) => frames.length),
        [1]
      )
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("keeps the order, and waits over a reconnect for RESUMED", () =>
    Effect.gen(function* () {
      const { gateway, simulator } = yield* SimulatedBot.ready
      yield* TestClock.adjust("1 minute")
      yield* simulator.faults.inject(Fault.resume(Fault.late("30 seconds"), { times: 1 }))
      yield* simulator.drop()
      yield* TestClock.adjust("1 second")
      const sending = yield* Effect.forEach([1, 2, 3, 4, 5], (n) => Effect.forkChild(gateway.send(numbered(n))))
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(yield* received(43), [[], []])
      yield* TestClock.adjust("20 seconds")
      yield* Effect.forEach(sending, Fiber.join)
      const frames = yield* received(43)
      assert.deepStrictEqual(
        frames.map((frames) => frames.map(({ d }) => d.n)),
        [[], [1, 2, 3, 4, 5]]
      )
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("keeps Discord's limit of 120 in 60 s, with room for heartbeats, which wait for nothing", () =>
    Effect.gen(function* () {
      const { gateway, simulator, watcher } = yield* SimulatedBot.ready
      yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 500 }), (_, n) => gateway.send(numbered(n)), {
          concurrency: "unbounded",
          discard: true
        })
      )
      yield* TestClock.adjust("6 minutes")
      const [connection] = yield* simulator.connections
      assert.strictEqual(connection?.end, undefined, "never closed with 4008")
      assert.notInclude(watcher.tags(), "Disconnected")
      const [frames = []] = yield* received(43)
      assert.deepStrictEqual(
        frames.map(({ d }) => d.n),
        Array.from({ length: 500 }, (_, n) => n)
      )
      const beats = connection?.frames.filter(({ op }) => op === 1).map(({ at }) => at) ?? []
      const gaps = beats.slice(1).map((at, index) => at - (beats[index] ?? 0))
      assert.isAtMost(Math.max(...gaps), 40_001)
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("takes an interrupted payload out of the queue, and fails in time where asked to", () =>
    Effect.gen(function* () {
      const { gateway, simulator } = yield* SimulatedBot.ready
      yield* simulator.faults.inject(Fault.dial("refuse"))
      yield* simulator.drop()
      yield* TestClock.adjust("1 second")
      const interrupted = yield* Effect.forkChild(gateway.send(numbered(1)))
      const timed = yield* Effect.forkChild(Effect.flip(gateway.send(numbered(2), { timeout: "10 seconds" })))
      const kept = yield* Effect.forkChild(gateway.send(numbered(3)))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(interrupted)
      yield* TestClock.adjust("10 seconds")
      assert.deepInclude((yield* Fiber.join(timed)).reason, { _tag: "SendTimeout", what: "sent" })
      assert.strictEqual((yield* gateway.shards)[0]?.waitingToSend, 1)
      yield* simulator.faults.clear
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(kept)
      assert.deepStrictEqual(
        (yield* received(43)).map((frames) => frames.map(({ d }) => d.n)),
        [[], [3]]
      )
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )

  it.effect("refuses what is wrong, what is too much, and unknown shards; nothing reaches the wire", () =>
    Effect.gen(function* () {
      const { gateway, simulator } = yield* SimulatedBot.ready
      const invalid = yield* Effect.flip(gateway.send(SendEvent.requestGuildMembers({ guild_id: "1" } as never)))
      assert.deepInclude(invalid.reason, { _tag: "InvalidSendEvent", field: "d.query" })
      const unknown = yield* Effect.flip(gateway.send(numbered(1), { shard: 7 }))
      assert.deepInclude(unknown.reason, { _tag: "UnknownShard", id: 7 })

      yield* simulator.faults.inject(Fault.dial("refuse"))
      yield* simulator.drop()
      yield* TestClock.adjust("1 second")
      yield* Effect.forEach([1, 2], (n) => Effect.forkChild(gateway.send(numbered(n))))
      yield* TestClock.adjust("1 millis")
      const full = yield* Effect.flip(gateway.send(numbered(3)))
      assert.deepInclude(full.reason, { _tag: "SendQueueFull", capacity: 2 })
      const frames = (yield* simulator.connections).flatMap(({ frames }) => frames.map(({ op }) => op))
      assert.deepStrictEqual(frames, [2])
    }).pipe(Effect.provide(SimulatedBot.layer({ config: { sendQueue: 2 } })))
  )

  it.effect("fails with what the gateway fails with, and after shutdown", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const orphan = yield* Effect.scoped(
        Effect.gen(function* () {
          const gateway = yield* Gateway
          yield* TestClock.adjust("1 second")
          return gateway
        }).pipe(Effect.provide(SimulatedBot.gateway()))
      )
      assert.strictEqual((yield* Effect.flip(orphan.send(numbered(1)))).reason._tag, "GatewayStopped")
      yield* Effect.gen(function* () {
        const gateway = yield* Gateway
        yield* TestClock.adjust("10 seconds")
        yield* simulator.faults.inject(Fault.resume(Act.close(4004)))
        yield* simulator.drop()
        yield* TestClock.adjust("15 millis")
        const waiting = yield* Effect.forkChild(Effect.flip(gateway.send(numbered(1))))
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(waiting)).reason._tag, "AuthenticationFailed")
        assert.strictEqual((yield* Effect.flip(gateway.send(numbered(2)))).reason._tag, "AuthenticationFailed")
      }).pipe(Effect.provide(SimulatedBot.gateway()))
    }).pipe(Effect.provide(SimulatedBot.discord()))
  )
})

describe("the presence", () => {
  it.effect("that was set last is sent again with the next IDENTIFY", () =>
    Effect.gen(function* () {
      const { gateway, simulator } = yield* SimulatedBot.ready
      yield* gateway.send(SendEvent.updatePresence(idle))
      yield* TestClock.adjust("1 minute")
      yield* simulator.invalidateSession(false)
      yield* TestClock.adjust("10 seconds")
      const [first, second] = yield* simulator.connections
      assert.deepStrictEqual(
        first?.frames.filter(({ op }) => op !== 1).map(({ op }) => op),
        [2, 3]
      )
      assert.nestedPropertyVal(second?.frames[0]?.payload, "d.presence.status", "idle")
    }).pipe(Effect.provide(SimulatedBot.layer()))
  )
})

/** Without GUILD_MEMBERS Discord leaves a request for all members unanswered. */
const forMembers = { intents: ["GUILDS", "GUILD_MEMBERS"] } as const

describe("asking for members", () => {
  it.effect("gives all chunks and ends, also over a reconnect and a rate limit", () =>
    Effect.gen(function* () {
      const { gateway, simulator } = yield* SimulatedBot.ready
      const guilds = yield* simulator.sessions
      const ready = guilds[0]?.dispatched[0]?.d as { guilds: ReadonlyArray<{ id: string }> }
      const guild_id = ready.guilds[0]?.id ?? ""
      const ask = Stream.runCollect(gateway.requestGuildMembers({ guild_id, query: "", limit: 0 }))
      const first = yield* Effect.forkChild(ask)
      yield* TestClock.adjust("1 second")
      const chunks = yield* Fiber.join(first)
      assert.isAbove(chunks.length, 0)
      assert.strictEqual(chunks.at(-1)?.chunk_index, chunks.length - 1)

      // All members again within 30 s: limited, waited out, answered.
      const second = yield* Effect.forkChild(ask)
      yield* TestClock.adjust("2 seconds")
      assert.isUndefined(second.pollUnsafe())
      yield* simulator.drop()
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(second)).length, chunks.length)
    }).pipe(Effect.provide(SimulatedBot.layer({ config: forMembers, simulator: { guilds: 3 } })))
  )

  it.effect("takes nothing for an answer that is none, and breaks nothing by it", () =>
    Effect.gen(function* () {
      const { gateway, listener, simulator } = yield* SimulatedBot.ready
      const ask = Stream.runCollect(gateway.requestGuildMembers({ guild_id: "1", query: "", limit: 0 }))
      yield* Effect.forkChild(ask)
      yield* TestClock.adjust("1 second")
      // Limited, so that it waits while answers of every wrong shape come.
      const asked = yield* Effect.forkChild(ask)
      yield* TestClock.adjust("1 second")
      const frames = (yield* simulator.connections).flatMap(({ frames }) => frames.filter(({ op }) => op === 8))
      const nonces = frames.map(({ payload }) => (payload as { d: { nonce: string } }).d.nonce)
      const nonce = nonces.at(-1)
      const wrong: ReadonlyArray<unknown> = [null, {}, [], "x", 7, { nonce }, { nonce, members: null }, { meta: null }]
      for (const d of [...wrong, { meta: { nonce }, retry_after: "x" }])
        yield* simulator.dispatchAll([{ t: "RATE_LIMITED", d }])
      for (const d of [...wrong, { nonce, chunk_index: 0, chunk_count: 1, members: [{}] }]) {
        yield* simulator.dispatchAll([{ t: "GUILD_MEMBERS_CHUNK", d }])
      }
      yield* TestClock.adjust("1 second")
      assert.strictEqual(listener.dispatches().filter(({ t }) => t === "GUILD_MEMBERS_CHUNK").length, 10)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(asked)).length, 1)
      assert.strictEqual((yield* gateway.shards)[0]?.reconnects, 0)
    }).pipe(Effect.provide(SimulatedBot.layer({ config: forMembers })))
  )

  it.effect("fails when there is no answer", () =>
    Effect.gen(function* () {
      const { gateway, simulator } = yield* SimulatedBot.ready
      yield* simulator.mute()
      const asked = yield* Effect.forkChild(
        Effect.flip(
          Stream.runDrain(gateway.requestGuildMembers({ guild_id: "1", user_ids: ["1"] }, { timeout: "5 seconds" }))
        )
      )
      yield* TestClock.adjust("10 seconds")
      const error = yield* Fiber.join(asked)
      assert.deepInclude(error.reason, { _tag: "SendTimeout", what: "answered" })
      yield* simulator.unmute()
    }).pipe(Effect.provide(SimulatedBot.layer({ config: forMembers })))
  )
})
