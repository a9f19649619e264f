import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as References from "effect/References"
import { TestClock } from "effect/testing"
import { SendEvent } from "../../src/schema/SendEvent.ts"
import { shardOfGuild } from "../../src/schema/ShardId.ts"
import * as Act from "../../src/simulator/Act.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as Fault from "../../src/simulator/Fault.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

const quietly = Effect.provideService(References.MinimumLogLevel, "None")

describe("shards", () => {
  it.effect("start by bucket in order, one IDENTIFY per bucket and 5 s", () =>
    Effect.gen(function* () {
      const { gateway, simulator } = yield* SimulatedBot.ready
      yield* TestClock.adjust("20 seconds")
      const shards = yield* gateway.shards
      assert.deepStrictEqual(
        shards.map(({ shard, state }) => [shard.toString(), state]),
        Array.from({ length: 16 }, (_, id) => [`${id}/16`, "ready"])
      )
      const times = yield* SimulatedBot.identifies
      // Three waits of 5 s for four rounds of four buckets.
      assert.deepStrictEqual(
        times.map(({ at, shard }) => [Math.floor((at - (times[0]?.at ?? 0)) / 1000), shard]),
        Array.from({ length: 16 }, (_, id) => [Math.floor(id / 4) * 5, id])
      )
      assert.strictEqual((yield* simulator.counts).identifyViolations, 0)
    }).pipe(
      Effect.provide(SimulatedBot.layer({ config: { shards: 16 }, simulator: { maxConcurrency: 4, shards: 16 } })),
      quietly
    )
  )

  it.effect("are as many as Discord recommends with auto, and it is asked until it answers", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.http({ status: 503 }, { times: 2 }))
      const { gateway } = yield* SimulatedBot.ready
      assert.deepStrictEqual(yield* gateway.shards, [])
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(
        (yield* gateway.shards).map(({ shard, state }) => [shard.toString(), state]),
        [
          ["0/3", "ready"],
          ["1/3", "ready"],
          ["2/3", "ready"]
        ]
      )
    }).pipe(Effect.provide(SimulatedBot.layer({ config: { shards: "auto" }, simulator: { shards: 3 } })), quietly)
  )

  it.effect("keep their troubles to themselves", () =>
    Effect.gen(function* () {
      const { gateway, listener, simulator } = yield* SimulatedBot.ready
      yield* TestClock.adjust("30 seconds")
      yield* simulator.faults.inject(Fault.resume(Act.drop, { shard: 1 }))
      yield* simulator.drop({ shard: 1 })
      yield* TestClock.adjust("1 minute")
      for (const shard of [0, 2]) yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { shard }, shard }])
      yield* TestClock.adjust("1 second")
      const states = (yield* gateway.shards).map(({ reconnects, state }) => [state, reconnects > 0])
      assert.deepStrictEqual(
        [states[0], states[2]],
        [
          ["ready", false],
          ["ready", false]
        ]
      )
      assert.isTrue(states[1]?.[1])
      assert.deepStrictEqual(
        listener.payloads.filter(({ t }) => t === "MESSAGE_CREATE").map(({ shard }) => shard),
        [0, 2]
      )
    }).pipe(
      Effect.provide(SimulatedBot.layer({ config: { shards: 3 }, simulator: { shards: 3, maxConcurrency: 3 } })),
      quietly
    )
  )

  it.effect("end the stream with the shard that cannot go on, named, and the others are closed", () =>
    Effect.gen(function* () {
      const { listener, simulator } = yield* SimulatedBot.ready
      yield* TestClock.adjust("10 seconds")
      yield* simulator.close(4014, { shard: 1 })
      yield* TestClock.adjust("1 second")
      const exit = yield* listener.exit
      const error = Option.getOrThrow(Exit.isFailure(exit) ? Cause.findErrorOption(exit.cause) : Option.none())
      assert.strictEqual(error.shard, 1)
      assert.include(error.message, "Shard 1")
      assert.deepStrictEqual(
        (yield* simulator.connections).map(({ end }) => end?.code),
        [1000, 4014, 1000]
      )
    }).pipe(
      Effect.provide(SimulatedBot.layer({ config: { shards: 3 }, simulator: { shards: 3, maxConcurrency: 3 } })),
      quietly
    )
  )

  it.effect("can be restarted one by one, and woken from a wait", () =>
    Effect.gen(function* () {
      const { gateway, simulator, watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("30 seconds")
      yield* gateway.restart(1)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        (yield* gateway.shards).map(({ reconnects, state }) => [state, reconnects]),
        [
          ["ready", 0],
          ["ready", 1]
        ]
      )
      yield* TestClock.adjust("1 minute")
      yield* simulator.faults.inject(Fault.dial("refuse", { times: 7 }))
      yield* simulator.drop({ shard: 0 })
      yield* TestClock.adjust("70 seconds")
      assert.strictEqual((yield* gateway.shards)[0]?.state, "waiting")
      yield* gateway.restart(0)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* gateway.shards)[0]?.state, "ready")
      assert.notInclude(watcher.tags(), "SessionDropped")
      assert.strictEqual((yield* Effect.flip(gateway.restart(9))).reason._tag, "UnknownShard")
    }).pipe(
      Effect.provide(
        SimulatedBot.layer({
          config: { shards: 2 },
          simulator: { shards: 2, maxConcurrency: 2, sessionTimeout: "1 hour" }
        })
      ),
      quietly
    )
  )
})

describe("an event of the simulator", () => {
  it.effect("comes through the shard of its guild, as Discord's do", () =>
    Effect.gen(function* () {
      const { listener, simulator } = yield* SimulatedBot.ready
      yield* TestClock.adjust("10 seconds")
      const guilds = ["197038439483310086", "81384788765712384", "613425648685547541"]
      for (const guild_id of guilds) {
        assert.strictEqual(yield* simulator.dispatch("MESSAGE_CREATE", { guild_id }), 1)
      }
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        listener.payloads.filter(({ t }) => t === "MESSAGE_CREATE").map(({ shard }) => shard),
        guilds.map((guild) => shardOfGuild(guild, 4))
      )
      assert.strictEqual(
        yield* simulator.dispatch("MESSAGE_CREATE", {}),
        4,
        "without a guild it comes to every session"
      )
    }).pipe(
      Effect.provide(SimulatedBot.layer({ config: { shards: 4 }, simulator: { shards: 4, maxConcurrency: 4 } })),
      quietly
    )
  )
})

describe("sending with many shards", () => {
  it.effect("goes to the guild's shard, or all, or the named one", () =>
    Effect.gen(function* () {
      const { gateway, simulator } = yield* SimulatedBot.ready
      yield* TestClock.adjust("10 seconds")
      const guilds = ["197038439483310086", "81384788765712384", "613425648685547541"]
      yield* gateway.send(SendEvent.requestSoundboardSounds({ guild_ids: guilds }))
      yield* gateway.send(SendEvent.requestChannelInfo({ guild_id: guilds[0] ?? "", fields: ["status"] }))
      yield* gateway.send(SendEvent.raw(99, {}), { shard: 2 })
      yield* TestClock.adjust("1 second")
      const got = (yield* simulator.connections).flatMap(({ frames, shard }) =>
        frames.flatMap(({ op, payload }) =>
          op === 31 ? (payload as { d: { guild_ids: Array<string> } }).d.guild_ids.map((guild) => [shard, guild]) : []
        )
      )
      assert.deepStrictEqual(
        new Map(got.map(([shard, guild]) => [guild, shard])),
        new Map(guilds.toSorted((a, b) => shardOfGuild(a, 4) - shardOfGuild(b, 4)).map((g) => [g, shardOfGuild(g, 4)]))
      )
      const error = yield* Effect.flip(gateway.send(SendEvent.raw(99, {}), { shard: 4 }))
      assert.deepInclude(error.reason, { _tag: "UnknownShard", id: 4 })
    }).pipe(
      Effect.provide(SimulatedBot.layer({ config: { shards: 4 }, simulator: { shards: 4, maxConcurrency: 4 } })),
      quietly
    )
  )
})

describe("resharding", () => {
  it.effect("loses and doubles nothing for a subscriber that follows the stream", () =>
    Effect.gen(function* () {
      const { gateway, listener, simulator, watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("10 seconds")
      const resharding = yield* Effect.forkChild(gateway.reshard(4))
      const sent: Array<number> = []
      for (let n = 0; n < 600; n++) {
        // One event of one guild, which every set of shards sees on the guild's shard.
        const guild = String(BigInt(n % 7) << 22n)
        yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n, guild_id: guild }, guild }])
        sent.push(n)
        yield* TestClock.adjust("100 millis")
      }
      assert.isDefined(resharding.pollUnsafe())
      const got = listener.payloads.flatMap(({ d, t }) => (t === "MESSAGE_CREATE" ? [(d as { n: number }).n] : []))
      assert.deepStrictEqual(got, sent)
      assert.deepStrictEqual(
        (yield* gateway.shards).map(({ shard, state }) => [shard.toString(), state]),
        Array.from({ length: 4 }, (_, id) => [`${id}/4`, "ready"])
      )
      assert.include(watcher.tags(), "Resharded")
      assert.strictEqual(listener.payloads.filter(({ t }) => t === "READY").length, 2, "the new READYs are not told")
      assert.strictEqual((yield* simulator.counts).identifyViolations, 0)
    }).pipe(
      Effect.provide(SimulatedBot.layer({ config: { shards: 2 }, simulator: { shards: 4, maxConcurrency: 1 } })),
      quietly
    )
  )

  for (const [what, loseSession] of [
    [
      "that is told of it",
      Effect.flatMap(DiscordSimulator, ({ invalidateSession }) => invalidateSession(false, { shard: 5 }))
    ],
    [
      "that finds out after seconds without a connection",
      Effect.flatMap(DiscordSimulator, (simulator) =>
        Effect.andThen(
          simulator.faults.inject(
            Fault.dial("refuse", { host: "resume", times: 2 }),
            Fault.resume(Act.invalidSession(false), { shard: 5, times: 1 })
          ),
          simulator.act(Act.drop, { shard: 5 })
        )
      )
    ],
    [
      "that resumes after all",
      Effect.flatMap(DiscordSimulator, (simulator) =>
        Effect.andThen(
          simulator.faults.inject(Fault.dial("refuse", { host: "resume", times: 3 })),
          simulator.act(Act.drop, { shard: 5 })
        )
      )
    ]
  ] as const) {
    it.effect(`loses and doubles nothing while an old shard loses its session ${what}`, () =>
      Effect.gen(function* () {
        const { gateway, listener, simulator } = yield* SimulatedBot.ready
        yield* TestClock.adjust("40 seconds")
        const resharding = yield* Effect.forkChild(gateway.reshard(4))
        // Of shard 5 of 8 and 1 of 4, which is there after 5 seconds.
        const guild = String(5n << 22n)
        const sent: Array<number> = []
        for (let n = 0; n < 600; n++) {
          if (n === 80) yield* loseSession
          // Discord has the event for a session that has no connection, too, as long as it is not lost.
          yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n, guild_id: guild }, guild }])
          sent.push(n)
          yield* TestClock.adjust("100 millis")
        }
        yield* TestClock.adjust("1 minute")
        assert.isDefined(resharding.pollUnsafe())
        const got = listener.payloads.flatMap(({ d, t }) => (t === "MESSAGE_CREATE" ? [(d as { n: number }).n] : []))
        assert.deepStrictEqual(
          got.toSorted((a, b) => a - b),
          sent
        )
        assert.deepStrictEqual(got, sent)
      }).pipe(
        Effect.provide(SimulatedBot.layer({ config: { shards: 8 }, simulator: { shards: 4, maxConcurrency: 1 } })),
        quietly
      )
    )
  }

  it.effect("that fails leaves everything as it was", () =>
    Effect.gen(function* () {
      const { gateway, listener, simulator } = yield* SimulatedBot.ready
      yield* TestClock.adjust("10 seconds")
      yield* simulator.faults.inject(Fault.identify(Act.close(4010)))
      const resharding = yield* Effect.forkChild(Effect.flip(gateway.reshard(4)))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(resharding.pollUnsafe()?._tag, "Success")
      yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n: 1 }, shard: 0 }])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(listener.payloads.filter(({ t }) => t === "MESSAGE_CREATE").length, 1)
      assert.deepStrictEqual(
        (yield* gateway.shards).map(({ shard, state }) => [shard.toString(), state]),
        [
          ["0/2", "ready"],
          ["1/2", "ready"]
        ]
      )
    }).pipe(
      Effect.provide(SimulatedBot.layer({ config: { shards: 2 }, simulator: { shards: 4, maxConcurrency: 2 } })),
      quietly
    )
  )
})
