import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { Gateway } from "../../src/gateway/Gateway.ts"
import type { GatewayOptions } from "../../src/services/GatewayConfig.ts"
import * as Act from "../../src/simulator/Act.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as Fault from "../../src/simulator/Fault.ts"
import type { MemoryOptions } from "../../src/simulator/SimulatorOptions.ts"
import * as SimulatedCluster from "../support/SimulatedCluster.ts"

const quietly = Effect.provideService(References.MinimumLogLevel, "None")

/** The cluster, with what its programs were given and what was announced. */
const begin = Effect.fnUntraced(function* (config: Partial<GatewayOptions> = {}) {
  const simulator = yield* DiscordSimulator
  const got: Array<number> = []
  const guilds = new Set<string>()
  const program = Gateway.use((gateway) =>
    gateway.handle({
      MESSAGE_CREATE: ({ d }) => Effect.sync(() => void got.push(Number(d.id))),
      GUILD_CREATE: ({ d }) => Effect.sync(() => void guilds.add(d.id))
    })
  )
  const { cluster, leave } = yield* SimulatedCluster.start(program, {
    shards: "auto",
    intents: ["GUILDS", "GUILD_MESSAGES"],
    ...config
  })
  yield* TestClock.adjust("10 seconds")
  const events: Array<string> = []
  yield* Effect.forkScoped(
    Stream.runForEach(cluster.changes, (event) =>
      Effect.sync(() => {
        if (event._tag === "Growing" || event._tag === "GrowthDeferred") {
          events.push(`${event._tag} ${event.why} ${event.to}`)
        }
        if (event._tag === "Resharded") events.push(`Resharded ${event.to}`)
      })
    )
  )
  let sent = 0
  const joined: Array<string> = []
  return {
    simulator,
    cluster,
    leave,
    got,
    guilds,
    events,
    join: (count: number) =>
      Effect.map(simulator.joinGuilds(count), (ids) => {
        joined.push(...ids)
        return ids
      }),
    /** A message in one of the guilds that were joined, every five seconds. */
    talk: Effect.fnUntraced(function* (minutes: number) {
      for (let n = 0; n < minutes * 12; n++) {
        const guild_id = joined[sent % joined.length] ?? "1"
        yield* simulator.dispatch("MESSAGE_CREATE", { id: String(sent++), guild_id })
        yield* TestClock.adjust("5 seconds")
      }
    }),
    lost: () => {
      const seen = new Set(got)
      return Array.from({ length: sent }, (_, n) => n).filter((n) => !seen.has(n))
    },
    states: Effect.map(SimulatedCluster.passing(cluster.shards), (shards) =>
      shards.map(({ shard, state }) => `${shard.toString()} ${state}`)
    )
  }
})

const all = (total: number, state = "ready") => Array.from({ length: total }, (_, id) => `${id}/${total} ${state}`)

/** In a cluster of one machine, on such a Discord. */
const on = (options: MemoryOptions) => Effect.provide(SimulatedCluster.shared({ frames: "binary", ...options }))

describe("a cluster with as many shards as Discord recommends", () => {
  it.effect("grows with its guilds and loses nothing, within the pace and the budget", () =>
    Effect.gen(function* () {
      const bot = yield* begin({ growth: { every: "5 minutes", apart: "8 minutes" } })
      for (let step = 0; step < 4; step++) {
        yield* bot.join(50)
        yield* bot.talk(10)
      }
      yield* bot.talk(15)
      assert.deepStrictEqual(bot.lost(), [])
      assert.deepStrictEqual(
        bot.events.filter((event) => event.startsWith("Resharded")),
        [2, 3, 4, 5].map((total) => `Resharded ${total}`)
      )
      assert.deepStrictEqual(yield* bot.states, all(5))
      assert.strictEqual(yield* bot.cluster.total, 5)
      const { identifies, identifyViolations, overruns } = yield* bot.simulator.counts
      assert.deepStrictEqual(
        { identifies, identifyViolations, overruns },
        {
          identifies: 15,
          identifyViolations: 0,
          overruns: 0
        }
      )
    }).pipe(on({ guilds: 50, guildsPerShard: 50 }), quietly)
  )

  it.effect("asks within minutes when a shard has 80 % of the guilds that it may have", () =>
    Effect.gen(function* () {
      const bot = yield* begin()
      yield* TestClock.adjust("5 minutes")
      yield* bot.join(1100)
      yield* TestClock.adjust("14 minutes")
      assert.deepStrictEqual(bot.events, ["Growing full 3", "Resharded 3"])
      assert.deepStrictEqual(yield* bot.states, all(3))
    }).pipe(on({ guilds: 1000 }), quietly)
  )

  it.effect("is resharded when Discord refuses a shard, and then knows its guilds", () =>
    Effect.gen(function* () {
      const bot = yield* begin()
      const joined = yield* bot.join(30)
      assert.deepStrictEqual(yield* bot.states, all(1))
      bot.guilds.clear()
      yield* bot.simulator.faults.inject(Fault.identify(Act.close(4011), { times: 1 }))
      yield* bot.simulator.invalidateSession(false)
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(bot.events, ["Growing refused 4", "Resharded 4"])
      assert.deepStrictEqual(yield* bot.states, all(4))
      assert.isTrue(joined.every((id) => bot.guilds.has(id)))
      yield* bot.talk(2)
      assert.deepStrictEqual(bot.lost(), [])
    }).pipe(on({ guilds: 10, guildsPerShard: 10 }), quietly)
  )

  it.effect("takes back what Discord refuses, too, and tries again", () =>
    Effect.gen(function* () {
      const bot = yield* begin({ growth: { every: "5 minutes", apart: "8 minutes" } })
      yield* bot.join(10)
      yield* bot.simulator.faults.inject(Fault.identify(Act.close(4011), { shard: 1, times: 1 }))
      while (!bot.events.includes("GrowthDeferred failed 2")) yield* bot.talk(1 / 12)
      assert.deepStrictEqual(yield* bot.states, all(1))
      yield* bot.talk(4)
      assert.deepStrictEqual(bot.events.slice(1), ["GrowthDeferred failed 2", "Growing recommended 2", "Resharded 2"])
      assert.deepStrictEqual(yield* bot.states, all(2))
      assert.deepStrictEqual(bot.lost(), [])
    }).pipe(on({ guilds: 10, guildsPerShard: 10 }), quietly)
  )

  it.effect("goes on with a reshard that a machine had begun which has gone", () =>
    Effect.gen(function* () {
      const bot = yield* begin({ growth: { every: "5 minutes", apart: "8 minutes" } })
      yield* bot.join(20)
      while (!bot.events.includes("Growing recommended 3")) yield* TestClock.adjust("1 second")
      // Two of the three new shards wait for their turn to identify.
      yield* TestClock.adjust("2 seconds")
      yield* bot.leave
      assert.notInclude(bot.events, "Resharded 3")
      const next = yield* begin()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* next.states, all(3))
      assert.include(next.events, "Resharded 3")
    }).pipe(on({ guilds: 10, guildsPerShard: 10 }), quietly)
  )

  it.effect("keeps its number, and ends with a refusal, where it is not to grow", () =>
    Effect.gen(function* () {
      const bot = yield* begin({ growth: false })
      const failing = yield* Effect.forkScoped(Effect.flip(bot.cluster.failure))
      yield* bot.simulator.faults.inject(Fault.identify(Act.close(4011), { times: 1 }))
      yield* bot.simulator.invalidateSession(false)
      yield* TestClock.adjust("1 minute")
      const error = yield* Fiber.join(failing)
      assert.strictEqual(error._tag === "GatewayError" ? error.reason._tag : error._tag, "ShardingRequired")
    }).pipe(on({ guilds: 10, guildsPerShard: 10 }), quietly)
  )
})

describe("a shard of a cluster", () => {
  it.effect("that moves while it starts keeps the session that it was about to get", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* simulator.faults.inject(Fault.identify(Fault.late("200 millis"), { times: 1 }))
      const program = Gateway.use((gateway) => gateway.handle({}))
      const { leave } = yield* SimulatedCluster.launch(program, { shards: 1 })
      while ((yield* simulator.counts).identifies === 0) yield* TestClock.adjust("10 millis")
      yield* leave
      yield* SimulatedCluster.start(program, { shards: 1 })
      yield* TestClock.adjust("10 seconds")
      const { identifies, resumes } = yield* simulator.counts
      assert.deepStrictEqual({ identifies, resumes }, { identifies: 1, resumes: 1 })
    }).pipe(Effect.provide(SimulatedCluster.shared()), quietly)
  )
})
