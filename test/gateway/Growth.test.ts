import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Persistence from "effect/persistence/Persistence"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { Gateway } from "../../src/gateway/Gateway.ts"
import { next, type Standing } from "../../src/gateway/Growth.ts"
import { ShardingRequired } from "../../src/schema/FatalError.ts"
import { shardOfGuild } from "../../src/schema/ShardId.ts"
import { GatewayConfig, type GatewayOptions } from "../../src/services/GatewayConfig.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import * as Act from "../../src/simulator/Act.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as Fault from "../../src/simulator/Fault.ts"
import * as GrowingBot from "../growth/GrowingBot.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

const guildOfShard0 = String(4n << 22n)

const quietly = Effect.provideService(References.MinimumLogLevel, "None")

const shardsOf = (gateway: Gateway["Service"]) =>
  Effect.map(gateway.shards, (shards) => shards.map(({ shard, state }) => `${shard.toString()} ${state}`))

const all = (total: number, state = "ready") => Array.from({ length: total }, (_, id) => `${id}/${total} ${state}`)

/** Numbers of the messages that a listener got, in order. */
const messages = ({ payloads }: SimulatedBot.Listener) =>
  payloads.flatMap(({ d, t }) => (t === "MESSAGE_CREATE" ? [(d as { n: number }).n] : []))

describe("the next number of shards", () => {
  const standing = (total: number, more: Partial<Standing> = {}): Standing => ({
    total,
    fullest: 0,
    refusal: undefined,
    ...more
  })
  const refused = { refusal: new ShardingRequired({ total: 1 }) }

  it("is what Discord recommends, where that is more by a tenth", () => {
    assert.deepStrictEqual(next(standing(1), 2), { to: 2, why: "recommended" })
    assert.deepStrictEqual(next(standing(100), 110), { to: 110, why: "recommended" })
    assert.isUndefined(next(standing(100), 109))
    assert.isUndefined(next(standing(100), 100))
  })

  it("never falls", () => assert.isUndefined(next(standing(16, { fullest: 2400 }), 8)))

  it("is any higher one once a shard is nearly full", () => {
    assert.deepStrictEqual(next(standing(100, { fullest: 2000 }), 101), { to: 101, why: "full" })
  })

  it("is a multiple of what Discord gives where it refuses the present one", () => {
    assert.deepStrictEqual(next(standing(16, refused), 16), { to: 32, why: "refused" })
    assert.deepStrictEqual(next(standing(16, refused), 48), { to: 48, why: "refused" })
    assert.deepStrictEqual(next(standing(50, refused), 16), { to: 64, why: "refused" })
  })
})

const messagesOnly = { shards: "auto", intents: ["GUILDS", "GUILD_MESSAGES"] } satisfies Partial<GatewayOptions>

const bot = ({ config, simulator }: SimulatedBot.Arrangement) =>
  SimulatedBot.layer({ config: { ...messagesOnly, ...config }, simulator: { frames: "binary", ...simulator } })

/** A bot that is interested in messages alone, as most are. */
const follow = Effect.gen(function* () {
  const simulator = yield* DiscordSimulator
  const gateway = yield* Gateway
  const got: Array<number> = []
  yield* Effect.forkScoped(
    Stream.runForEach(gateway.on("MESSAGE_CREATE"), ({ d }) => Effect.sync(() => void got.push(Number(d.id))))
  )
  const watcher = yield* SimulatedBot.watch
  yield* TestClock.adjust("1 minute")
  const guilds: Array<string> = []
  let sent = 0
  return {
    simulator,
    gateway,
    got,
    guilds,
    sent: () => Array.from({ length: sent }, (_, n) => n),
    growth: () =>
      watcher.events.flatMap((event) =>
        event._tag === "Growing" || event._tag === "GrowthDeferred" ? [[event._tag, event.why, event.to]] : []
      ),
    /** A message in one of the guilds that were joined, every minute, and every second while the bot is resharded. */
    talk: Effect.fnUntraced(function* (minutes: number) {
      const say = (pause: Duration.Input) =>
        Effect.andThen(
          simulator.dispatch("MESSAGE_CREATE", {
            id: String(sent),
            guild_id: guilds[sent++ % guilds.length] ?? "1"
          }),
          TestClock.adjust(pause)
        )
      for (let minute = 0; minute < minutes; minute++) {
        const last = watcher.tags().findLast((tag) => ["Growing", "GrowthDeferred", "Resharded"].includes(tag))
        if (last !== "Growing") yield* say("1 minute")
        else for (let second = 0; second < 60; second++) yield* say("1 second")
      }
    })
  }
})

describe("a bot with as many shards as Discord recommends", () => {
  it.effect("grows to five times its guilds and loses nothing, within the pace and the budget", () =>
    Effect.gen(function* () {
      const { messages, ...grown } = yield* GrowingBot.run({ from: 50, to: 250, perTenMinutes: 50, guildsPerShard: 50 })
      assert.isAbove(messages, 400)
      assert.deepStrictEqual(grown, {
        shards: all(5),
        reshards: [2, 3, 4, 5],
        guilds: 250,
        lost: 0,
        doubled: 0,
        outOfOrder: 0,
        // One for each shard of each number.
        identifies: 15,
        refused: 0,
        leastGap: 5.1
      })
    }).pipe(quietly)
  )

  it.effect("asks within minutes when a shard has 80 % of the guilds that it may have", () =>
    Effect.gen(function* () {
      const { gateway, growth, simulator } = yield* follow
      yield* TestClock.adjust("5 minutes")
      yield* simulator.joinGuilds(1100)
      yield* TestClock.adjust("12 minutes")
      assert.deepStrictEqual(growth(), [["Growing", "full", 3]])
      assert.deepStrictEqual(yield* shardsOf(gateway), all(3))
    }).pipe(Effect.provide(bot({ simulator: { guilds: 1000 } })), quietly)
  )

  it.effect("waits for the day's budget where a reshard would leave too little of it, and says so", () =>
    Effect.gen(function* () {
      const { gateway, growth, simulator } = yield* follow
      yield* simulator.joinGuilds(15)
      yield* TestClock.adjust("2 hours")
      assert.deepStrictEqual(yield* shardsOf(gateway), all(1))
      assert.deepStrictEqual(growth(), [["GrowthDeferred", "budget", 3]])
      yield* TestClock.adjust("65 minutes")
      assert.deepStrictEqual(yield* shardsOf(gateway), all(3))
      assert.strictEqual((yield* simulator.counts).overruns, 0)
    }).pipe(
      Effect.provide(
        bot({
          simulator: { guilds: 10, guildsPerShard: 10, sessionStartLimit: { remaining: 16, resetAfter: "3 hours" } }
        })
      ),
      quietly
    )
  )

  it.effect("keeps to the multiples of a large bot, and to its buckets", () =>
    Effect.gen(function* () {
      const { gateway, growth, simulator } = yield* follow
      assert.deepStrictEqual(yield* shardsOf(gateway), all(4))
      yield* simulator.joinGuilds(25)
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(growth(), [["Growing", "recommended", 8]])
      assert.deepStrictEqual(yield* shardsOf(gateway), all(8))
      const { identifies, identifyViolations } = yield* simulator.counts
      assert.deepStrictEqual([identifies, identifyViolations], [12, 0])
    }).pipe(
      Effect.provide(bot({ simulator: { guilds: 20, guildsPerShard: 10, shardsMultiple: 4, maxConcurrency: 4 } })),
      quietly
    )
  )

  it.effect("tries a reshard that fails again ever more slowly, and goes on meanwhile", () =>
    Effect.gen(function* () {
      const { gateway, got, growth, guilds, sent, simulator, talk } = yield* follow
      const refuse = Fault.identify(Act.close(4014))
      yield* simulator.faults.inject(refuse)
      guilds.push(...(yield* simulator.joinGuilds(5)))
      yield* talk(3 * 60)
      const failures = growth().filter(([, why]) => why === "failed").length
      assert.isAtLeast(failures, 6)
      assert.isAtMost(failures, 9)
      assert.deepStrictEqual(yield* shardsOf(gateway), all(1))
      yield* simulator.faults.lift(refuse)
      yield* talk(3 * 60)
      assert.deepStrictEqual(yield* shardsOf(gateway), all(2))
      assert.deepStrictEqual(got, sent())
    }).pipe(Effect.provide(bot({ simulator: { guilds: 10, guildsPerShard: 10 } })), quietly)
  )

  it.effect("knows after a restart how many guilds a shard has, with those joined and left since READY", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const start = Effect.gen(function* () {
        const scope = yield* Scope.make()
        const gateway = yield* Layer.buildWithScope(
          Gateway.layer.pipe(
            Layer.provide(Layer.fresh(SessionStore.layerPersisted)),
            Layer.provide(GatewayConfig.layer({ token: "simulated-token", compression: "none", ...messagesOnly }))
          ),
          scope
        ).pipe(Effect.flatMap((context) => Effect.provideContext(Gateway, context)))
        yield* Effect.forkIn(Stream.runDrain(gateway.on("MESSAGE_CREATE")), scope)
        const grown: Array<number> = []
        yield* gateway.changes.pipe(
          Stream.runForEach((event) =>
            Effect.sync(() => void (event._tag === "Growing" ? grown.push(event.guilds) : undefined))
          ),
          Effect.forkIn(scope)
        )
        yield* TestClock.adjust("15 seconds")
        return { grown, stop: Scope.close(scope, Exit.void) }
      })
      const first = yield* start
      const joined = yield* simulator.joinGuilds(1060)
      yield* TestClock.adjust("2 seconds")
      yield* simulator.dispatchAll(joined.slice(0, 10).map((id) => ({ t: "GUILD_DELETE", d: { id }, guild: id })))
      yield* TestClock.adjust("2 seconds")
      yield* first.stop
      // While nobody is there.
      yield* simulator.joinGuilds(5)
      const second = yield* start
      yield* second.stop
      const third = yield* start
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(third.grown, [1000 + 1060 - 10 + 5])
      yield* third.stop
      assert.deepStrictEqual([first.grown, second.grown], [[], []])
    }).pipe(
      Effect.provide(
        Layer.mergeAll(SimulatedBot.discord({ guilds: 1000, frames: "binary" }), Persistence.layerBackingMemory)
      ),
      quietly
    )
  )

  it.effect("resumes all sessions after a restart, whatever Discord recommends by then, and grows after that", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const start = Effect.gen(function* () {
        const scope = yield* Scope.make()
        const gateway = yield* Layer.buildWithScope(
          Gateway.layer.pipe(
            Layer.provide(Layer.fresh(SessionStore.layerPersisted)),
            Layer.provide(GatewayConfig.layer({ token: "simulated-token", compression: "none", ...messagesOnly }))
          ),
          scope
        ).pipe(Effect.flatMap((context) => Effect.provideContext(Gateway, context)))
        const got: Array<string> = []
        yield* gateway.on("MESSAGE_CREATE").pipe(
          Stream.runForEach(({ d }) => Effect.sync(() => void got.push(d.id))),
          Effect.forkIn(scope)
        )
        yield* TestClock.adjust("30 seconds")
        return { gateway, got, stop: Scope.close(scope, Exit.void) }
      })
      const first = yield* start
      yield* first.stop
      const guilds = yield* simulator.joinGuilds(21)
      yield* simulator.dispatch("MESSAGE_CREATE", { id: "while nobody was there", guild_id: guilds[0] })
      const second = yield* start
      assert.deepStrictEqual(yield* shardsOf(second.gateway), all(1))
      assert.deepStrictEqual(second.got, ["while nobody was there"])
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(yield* shardsOf(second.gateway), all(4))
      yield* second.stop
      const third = yield* start
      assert.deepStrictEqual(yield* shardsOf(third.gateway), all(4))
      yield* third.stop
      const { identifies, resumes } = yield* simulator.counts
      assert.deepStrictEqual([identifies, resumes], [5, 5])
    }).pipe(
      Effect.provide(
        Layer.mergeAll(SimulatedBot.discord({ guilds: 10, guildsPerShard: 10 }), Persistence.layerBackingMemory)
      ),
      quietly
    )
  )
})

describe("close 4011 under auto", () => {
  it.effect("is answered by more shards, which bring the guilds that nobody had heard of", () =>
    Effect.gen(function* () {
      const { gateway, listener, watcher } = yield* SimulatedBot.ready
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* shardsOf(gateway), all(1, "waiting"))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* shardsOf(gateway), all(2))
      const heard = listener.payloads.flatMap(({ d, t }) => (t === "GUILD_CREATE" ? [(d as { id: string }).id] : []))
      assert.strictEqual(new Set(heard).size, 7)
      assert.strictEqual(heard.length, 7)
      assert.strictEqual(listener.payloads.filter(({ t }) => t === "READY").length, 2)
      assert.isFalse(watcher.events.some((event) => event._tag === "Stopped" && event.reason !== undefined))
      assert.deepInclude(
        watcher.events.find(({ _tag }) => _tag === "Growing"),
        { from: 1, to: 2, why: "refused" }
      )
    }).pipe(
      Effect.provide(
        SimulatedBot.layer({ config: { shards: "auto" }, simulator: { guilds: 7, shards: 1, shardingRequired: 2 } })
      ),
      quietly
    )
  )

  it.effect("of one shard in mid-life is no trouble of the others", () =>
    Effect.gen(function* () {
      const { gateway, listener, simulator } = yield* SimulatedBot.ready
      yield* TestClock.adjust("20 seconds")
      yield* simulator.faults.inject(Fault.identify(Act.close(4011), { shard: 1, times: 1 }))
      yield* simulator.invalidateSession(false, { shard: 1 })
      const sent: Array<number> = []
      for (let n = 0; n < 60; n++) {
        sent.push(n)
        yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n, guild_id: guildOfShard0 } }])
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(yield* shardsOf(gateway), all(4))
      assert.deepStrictEqual(messages(listener), sent)
      const created = listener.payloads.flatMap(({ d, t }) => (t === "GUILD_CREATE" ? [(d as { id: string }).id] : []))
      const ofShard1 = created.filter((id) => shardOfGuild(id, 2) === 1)
      assert.strictEqual(created.length - ofShard1.length, 4, "once each")
      assert.strictEqual(ofShard1.length, 6, "again, as after any new session")
    }).pipe(
      Effect.provide(
        SimulatedBot.layer({ config: { shards: "auto" }, simulator: { guilds: 7, shards: 2, maxConcurrency: 2 } })
      ),
      quietly
    )
  )

  it.effect("stays the end where growth is off", () =>
    Effect.gen(function* () {
      const { listener } = yield* SimulatedBot.ready
      yield* TestClock.adjust("1 minute")
      assert.include(String(yield* listener.exit), "too many guilds")
    }).pipe(
      Effect.provide(
        SimulatedBot.layer({ config: { shards: "auto", growth: false }, simulator: { shardingRequired: 2 } })
      ),
      quietly
    )
  )

  it.effect("is the end with a number of shards that Discord itself gives and refuses with 4010", () =>
    Effect.gen(function* () {
      const { listener } = yield* SimulatedBot.ready
      yield* TestClock.adjust("1 minute")
      assert.include(String(yield* listener.exit), "refused shard 0 of 3")
    }).pipe(
      Effect.provide(SimulatedBot.layer({ config: { shards: "auto" }, simulator: { shards: 3, shardsMultiple: 2 } })),
      quietly
    )
  )
})
