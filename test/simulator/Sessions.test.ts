import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { Act, DiscordSimulator } from "disruption-gateway/testing"
import { connected, dial, resumeUrl } from "../support/RawClient.ts"

/** Its timestamp, which is all above bit 22, is 20. */
const guildOfShard4 = String(20n << 22n)

const second = TestClock.adjust("1 second")

describe("a session", () => {
  it.effect("starts with HELLO, IDENTIFY and READY", () =>
    Effect.gen(function* () {
      const client = yield* dial()
      yield* second
      assert.deepStrictEqual(client.received, [{ op: 10, d: { heartbeat_interval: 41_250 }, s: null, t: null }])
      client.identify({ shard: [1, 2] })
      yield* second
      assert.deepStrictEqual(client.events, ["READY"])
      const ready = client.event("READY")
      assert.strictEqual(ready["v"], 10)
      assert.strictEqual(ready["resume_gateway_url"], "wss://gateway-sim1.discord.gg")
      assert.deepStrictEqual(ready["shard"], [1, 2])
      assert.deepStrictEqual(client.sequences, [1])
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.effect("gets its guilds after READY, each on the shard that it belongs to", () =>
    Effect.gen(function* () {
      const clients = [yield* dial(), yield* dial()]
      yield* second
      for (const [id, client] of clients.entries()) client.identify({ shard: [id, 2] })
      yield* second
      const guilds = clients.map((client) => client.event("READY")["guilds"] as ReadonlyArray<{ readonly id: string }>)
      assert.deepStrictEqual(
        guilds.map(({ length }) => length),
        [3, 2]
      )
      for (const [shard, client] of clients.entries()) {
        for (const { id } of guilds[shard] ?? []) assert.strictEqual(Number((BigInt(id) >> 22n) % 2n), shard)
        assert.deepStrictEqual(
          client.received.flatMap(({ d, t }) => (t === "GUILD_CREATE" ? [(d as { readonly id: string }).id] : [])),
          guilds[shard]?.map(({ id }) => id)
        )
      }
    }).pipe(Effect.provide(DiscordSimulator.layerWith({ guilds: 5, maxConcurrency: 2 })))
  )

  it.effect("gets the events of its intents, and those that no intent turns on", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected({ intents: 512 })
      assert.strictEqual(yield* simulator.dispatch("MESSAGE_CREATE", {}), 1)
      assert.strictEqual(yield* simulator.dispatch("GUILD_CREATE", {}), 0)
      assert.strictEqual(yield* simulator.dispatch("INTERACTION_CREATE", {}), 1)
      yield* second
      assert.deepStrictEqual(client.events, ["READY", "MESSAGE_CREATE", "INTERACTION_CREATE"])
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.effect("gets what is meant for its shard or for a guild of its shard", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const zero = yield* connected({ shard: [0, 16] })
      const four = yield* connected({ shard: [4, 16] })
      yield* simulator.dispatch("MESSAGE_CREATE", {}, { shard: 0 })
      yield* simulator.dispatch("MESSAGE_DELETE", {}, { guild: guildOfShard4 })
      const reached = yield* simulator.dispatchAll([
        { t: "MESSAGE_UPDATE", d: {}, shard: 4 },
        { t: "INTERACTION_CREATE", d: {} }
      ])
      assert.strictEqual(reached, 3)
      yield* second
      assert.deepStrictEqual(zero.events, ["READY", "MESSAGE_CREATE", "INTERACTION_CREATE"])
      assert.deepStrictEqual(four.events, ["READY", "MESSAGE_DELETE", "MESSAGE_UPDATE", "INTERACTION_CREATE"])
    }).pipe(Effect.provide(DiscordSimulator.layerWith({ maxConcurrency: 16 })))
  )

  it.effect("replays what was missed, in order, and then says RESUMED", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected()
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "seen" })
      yield* second
      yield* simulator.drop()
      yield* second
      assert.strictEqual(client.closed?.code, 1006)
      assert.strictEqual(yield* simulator.dispatch("MESSAGE_CREATE", { content: "missed 1" }), 1)
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "missed 2" })
      const again = yield* dial(resumeUrl)
      yield* second
      again.resume(client.sessionId, 2)
      yield* second
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "new" })
      yield* second
      assert.deepStrictEqual(again.events, ["MESSAGE_CREATE", "MESSAGE_CREATE", "RESUMED", "MESSAGE_CREATE"])
      assert.deepStrictEqual(again.sequences, [3, 4, 4, 5])
      const [session] = yield* simulator.sessions
      const numbered = again.received.slice(1).filter(({ t }) => t !== "RESUMED")
      assert.deepStrictEqual(session?.dispatched.slice(2), numbered as never)
      assert.deepInclude(session, { id: client.sessionId, sequence: 5, connected: true, alive: true })
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  for (const replaysResumed of [false, true]) {
    it.effect(
      `${replaysResumed ? "keeps RESUMED for replay where told to" : "does not replay RESUMED"}, without a gap`,
      () =>
        Effect.gen(function* () {
          const simulator = yield* DiscordSimulator
          const client = yield* connected()
          const resumeAgain = Effect.gen(function* () {
            yield* simulator.drop()
            const again = yield* dial(resumeUrl)
            yield* second
            again.resume(client.sessionId, 1)
            yield* second
            return again
          })
          assert.deepStrictEqual((yield* resumeAgain).events, ["RESUMED"])
          yield* simulator.dispatch("MESSAGE_CREATE", {})
          const { events, sequences } = yield* resumeAgain
          assert.deepStrictEqual(
            events,
            replaysResumed ? ["RESUMED", "MESSAGE_CREATE", "RESUMED"] : ["MESSAGE_CREATE", "RESUMED"]
          )
          assert.deepStrictEqual(sequences, replaysResumed ? [2, 3, 4] : [2, 2])
        }).pipe(Effect.provide(DiscordSimulator.layerWith({ replaysResumed })))
    )
  }

  it.effect("can be resumed for three minutes", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected()
      yield* simulator.drop()
      yield* TestClock.adjust("179 seconds")
      const inTime = yield* dial(resumeUrl)
      yield* TestClock.adjust("30 millis")
      inTime.resume(client.sessionId, 1)
      yield* second
      assert.deepStrictEqual(inTime.events, ["RESUMED"])
      yield* simulator.drop()
      yield* TestClock.adjust("181 seconds")
      assert.strictEqual(yield* simulator.dispatch("MESSAGE_CREATE", {}), 0)
      const tooLate = yield* dial(resumeUrl)
      yield* second
      tooLate.resume(client.sessionId, 1)
      yield* second
      assert.deepInclude(tooLate.received[1], { op: 9, d: false })
      assert.deepInclude((yield* simulator.sessions)[0], { connected: false, alive: false })
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.effect.each([1000, 1001])("ends when the client closes with %i", (code) =>
    Effect.gen(function* () {
      const client = yield* connected()
      client.socket.close(code)
      yield* second
      assert.strictEqual(client.closed?.code, code)
      const again = yield* dial(resumeUrl)
      yield* second
      again.resume(client.sessionId, 1)
      yield* second
      assert.deepInclude(again.received[1], { op: 9, d: false })
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.effect("goes on when the client closes with another code, or without a close frame", () =>
    Effect.gen(function* () {
      const client = yield* connected()
      client.socket.close(4000)
      for (const _ of [1, 2]) {
        const again = yield* dial(resumeUrl)
        yield* second
        again.resume(client.sessionId, 1)
        yield* second
        assert.include(again.events, "RESUMED")
        again.ws.terminate()
      }
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.effect("moves to a new connection while the old one seems to be alive", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const old = yield* connected()
      yield* simulator.mute()
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "into the void" })
      const again = yield* dial(resumeUrl)
      yield* second
      again.resume(old.sessionId, 1)
      yield* second
      assert.deepStrictEqual(again.events, ["MESSAGE_CREATE", "RESUMED"])
      assert.deepStrictEqual(old.events, ["READY"])
      assert.strictEqual(old.closed?.code, 1006)
      assert.deepInclude((yield* simulator.connections)[0]?.end, { by: "server", how: "drop" })
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.effect("cannot be resumed from before what is kept for replay", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected()
      yield* simulator.drop()
      for (const content of ["1", "2", "3"]) yield* simulator.dispatch("MESSAGE_CREATE", { content })
      const again = yield* dial(resumeUrl)
      yield* second
      again.resume(client.sessionId, 1)
      yield* second
      assert.deepInclude(again.received[1], { op: 9, d: false })
    }).pipe(Effect.provide(DiscordSimulator.layerWith({ replayBuffer: 2 })))
  )

  it.effect("cannot be resumed from before what a heartbeat acknowledged, where that is forgotten", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected()
      for (const content of ["1", "2", "3"]) yield* simulator.dispatch("MESSAGE_CREATE", { content })
      client.send(1, 3)
      yield* second
      yield* simulator.drop()
      const resumeAfter = Effect.fnUntraced(function* (sequence: number) {
        const again = yield* dial(resumeUrl)
        yield* second
        again.resume(client.sessionId, sequence)
        yield* second
        return again
      })
      const known = yield* resumeAfter(3)
      assert.deepStrictEqual(known.sequences, [4, 4])
      yield* simulator.drop()
      const forgotten = yield* resumeAfter(2)
      assert.deepInclude(forgotten.received[1], { op: 9, d: false })
    }).pipe(Effect.provide(DiscordSimulator.layerWith({ forgetsAcknowledged: true })))
  )

  it.effect("may be resumed after op 9 true, and not after op 9 false", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected()
      assert.strictEqual(yield* simulator.invalidateSession(true), 1)
      yield* second
      client.resume(client.sessionId, 1)
      yield* second
      assert.deepStrictEqual(client.events, ["READY", "RESUMED"])
      yield* simulator.invalidateSession(false)
      yield* second
      client.resume(client.sessionId, 1)
      yield* second
      assert.deepStrictEqual(
        client.received.flatMap(({ d, op }) => (op === 9 ? [d] : [])),
        [true, false, false]
      )
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.effect("cannot be resumed after it was let expire, though it goes on until then", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected()
      assert.strictEqual(yield* simulator.endSessions(), 1)
      assert.strictEqual(yield* simulator.dispatch("MESSAGE_CREATE", {}), 1)
      yield* simulator.act(Act.drop)
      yield* second
      assert.deepStrictEqual(client.events, ["READY", "MESSAGE_CREATE"])
      const again = yield* dial(resumeUrl)
      yield* second
      again.resume(client.sessionId, 2)
      yield* second
      assert.deepInclude(again.received[1], { op: 9, d: false })
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.effect("cannot be resumed after it was let expire, though its dead connection seems to be there", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected()
      yield* simulator.mute()
      yield* simulator.endSessions()
      yield* simulator.dispatch("MESSAGE_CREATE", {})
      const again = yield* dial(resumeUrl)
      yield* second
      again.resume(client.sessionId, 1)
      yield* second
      assert.deepInclude(again.received[1], { op: 9, d: false })
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )
})
