import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as References from "effect/References"
import { TestClock } from "effect/testing"
import { SendEvent } from "../../src/schema/SendEvent.ts"
import { ShardId, shardOfGuild } from "../../src/schema/ShardId.ts"
import { Gateway } from "../../src/services/Gateway.ts"
import { GatewayConfig } from "../../src/services/GatewayConfig.ts"
import { GatewayDirectory } from "../../src/services/GatewayDirectory.ts"
import { IdentifyLimiter } from "../../src/services/IdentifyLimiter.ts"
import { Act } from "../../src/simulator/Act.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import { Fault } from "../../src/simulator/Fault.ts"
import { hasRedis } from "../support/LocalServices.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

const quietly = Effect.provideService(References.MinimumLogLevel, "None")

const identifies = Effect.gen(function* () {
  const simulator = yield* DiscordSimulator
  const connections = yield* simulator.connections
  return connections.flatMap(({ frames, shard }) =>
    frames.filter(({ op }) => op === 2).map(({ at }) => ({ at, shard }))
  )
})

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
      const times = yield* identifies
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
      for (const shard of [0, 2]) yield* simulator.dispatch("MESSAGE_CREATE", { shard }, { shard })
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

  it.effect(
    "10,000 of them with max_concurrency 16 are ready after 624 waits of 5 s",
    () =>
      Effect.gen(function* () {
        const gateway = yield* Gateway
        yield* SimulatedBot.listen
        const simulator = yield* DiscordSimulator
        // The start of so many fibers takes real time, for which the test clock does not wait.
        yield* TestClock.adjust("1 second")
        while ((yield* gateway.shards).length < 10_000) yield* Effect.yieldNow
        for (let turn = 0; turn < 100; turn++) yield* Effect.yieldNow
        yield* TestClock.adjust("1 second")
        const waits = Math.ceil(10_000 / 16) - 1
        yield* TestClock.adjust(`${waits * 5.1 + 1} seconds`)
        const shards = yield* gateway.shards
        assert.strictEqual(shards.length, 10_000)
        assert.strictEqual(shards.filter(({ state }) => state === "ready").length, 10_000)
        const { identifies: count, identifyViolations, overruns } = yield* simulator.counts
        assert.deepStrictEqual(
          { count, identifyViolations, overruns },
          { count: 10_000, identifyViolations: 0, overruns: 0 }
        )
        const times = yield* identifies
        const [first, last] = [times[0]?.at ?? 0, times.at(-1)?.at ?? 0]
        assert.strictEqual(last - first, waits * 5100)
      }).pipe(
        Effect.provide(
          SimulatedBot.layer({
            config: { shards: 10_000 },
            simulator: {
              shards: 10_000,
              maxConcurrency: 16,
              sessionStartLimit: { total: 20_000 },
              heartbeatInterval: "10 minutes"
            }
          })
        ),
        quietly
      ),
    180_000
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
        yield* simulator.dispatch("MESSAGE_CREATE", { n, guild_id: guild }, { guild })
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

  it.effect("that fails leaves everything as it was", () =>
    Effect.gen(function* () {
      const { gateway, listener, simulator } = yield* SimulatedBot.ready
      yield* TestClock.adjust("10 seconds")
      yield* simulator.faults.inject(Fault.identify(Act.close(4010)))
      const resharding = yield* Effect.forkChild(Effect.flip(gateway.reshard(4)))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(resharding.pollUnsafe()?._tag, "Success")
      yield* simulator.dispatch("MESSAGE_CREATE", { n: 1 }, { shard: 0 })
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

describe("limits shared in Redis", () => {
  it.live.skipIf(!hasRedis)("hold over two processes", () =>
    Effect.gen(function* () {
      const token = `token-${yield* Effect.map(
        Effect.clockWith((clock) => clock.currentTimeMillis),
        String
      )}`
      const process = () =>
        IdentifyLimiter.layerShared.pipe(
          Layer.provide(NodeRedis.layer({ url: "redis://127.0.0.1:6379" })),
          Layer.provideMerge(GatewayDirectory.layer),
          Layer.provide(GatewayConfig.layer({ token })),
          Layer.provide(DiscordSimulator.layerWith({ token, latency: "1 millis" }))
        )
      const ask = Effect.gen(function* () {
        const limiter = yield* IdentifyLimiter
        return yield* limiter.ask(new ShardId({ id: 0, total: 1 }))
      })
      const turns = yield* Effect.all([ask.pipe(Effect.provide(process())), ask.pipe(Effect.provide(process()))], {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(turns.map(({ _tag }) => _tag).toSorted(), ["Granted", "Wait"])
      const wait = turns.find(({ _tag }) => _tag === "Wait")
      assert.isAbove(wait?._tag === "Wait" ? Duration.toMillis(wait.time) : 0, 4900)
    })
  )
})
