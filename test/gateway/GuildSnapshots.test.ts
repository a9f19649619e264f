import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Persistence from "effect/persistence/Persistence"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { Gateway } from "../../src/gateway/Gateway.ts"
import type { Payload } from "../../src/schema/Payload.ts"
import { GatewayConfig, type GatewayOptions } from "../../src/services/GatewayConfig.ts"
import { GuildSnapshots } from "../../src/services/GuildSnapshots.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as RestartedBot from "../guilds/RestartedBot.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

const quietly = Effect.provideService(References.MinimumLogLevel, "None")

/** A process on the stores of the context, which takes what its program gets. */
const start = (
  options: {
    readonly keepsGuilds?: boolean
    readonly config?: Partial<GatewayOptions>
    readonly payloads?: (gateway: Gateway["Service"]) => Stream.Stream<Payload, unknown>
  } = {}
) =>
  Effect.gen(function* () {
    const { config, keepsGuilds = true, payloads = (gateway) => gateway.payloads } = options
    const scope = yield* Scope.make()
    const stores = keepsGuilds
      ? Layer.merge(Layer.fresh(SessionStore.layerPersisted), Layer.fresh(GuildSnapshots.layerPersisted))
      : Layer.fresh(SessionStore.layerPersisted)
    const context = yield* Layer.buildWithScope(
      Gateway.layer.pipe(
        Layer.provide(stores),
        Layer.provide(GatewayConfig.layer({ token: "simulated-token", compression: "none", ...config }))
      ),
      scope
    )
    const gateway = yield* Effect.provideContext(Gateway, context)
    const got: Array<Payload> = []
    yield* Effect.forkIn(
      Stream.runForEach(payloads(gateway), (payload) => Effect.sync(() => void got.push(payload))),
      scope
    )
    yield* TestClock.adjust("10 seconds")
    return { gateway, got, dispatches: () => got.filter(({ op }) => op === 0), stop: Scope.close(scope, Exit.void) }
  })

const world = SimulatedBot.discord({ guilds: 2 }).pipe(Layer.provideMerge(Persistence.layerBackingMemory))

const named = (guild_id: string, id: string, name: string) => ({ id, guild_id, type: 0, name })

describe("guilds that are kept", () => {
  it.effect("are those of Discord after each restart, kill and move, and come before the first event of theirs", () =>
    Effect.gen(function* () {
      const found = yield* RestartedBot.run({ guilds: 8, restarts: 25, seed: 1 })
      assert.deepInclude(found, { wrong: 0, storedWrong: 0, early: 0, restarts: 25, identifies: 2 })
      assert.isAbove(found.handedOut, 100)
    }).pipe(quietly)
  )

  it.effect("come to a resumed process as GUILD_CREATE, marked, before what it missed", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const first = yield* start()
      const [guild, other] = (yield* simulator.guilds).map(({ id }) => id)
      yield* simulator.dispatch("CHANNEL_CREATE", named(guild ?? "", "7", "news"))
      yield* TestClock.adjust("5 seconds")
      yield* first.stop
      yield* simulator.dispatch("CHANNEL_UPDATE", named(guild ?? "", "7", "old news"))
      const second = yield* start()
      assert.deepStrictEqual(
        second.dispatches().map(({ replayed, t }) => [t, replayed]),
        [
          ["GUILD_CREATE", true],
          ["GUILD_CREATE", true],
          ["CHANNEL_UPDATE", undefined],
          ["RESUMED", undefined]
        ]
      )
      const created = second.dispatches().slice(0, 2)
      const d = created.find(({ d }) => (d as { id: string }).id === guild)?.d as Record<
        string,
        Array<{ name: string }>
      >
      assert.include(d["channels"]?.map(({ name }) => name) ?? [], "news", "as it was where the replay begins")
      assert.deepStrictEqual([d["members"], d["presences"], d["voice_states"]], [[], [], []])
      assert.isDefined(created.find(({ d }) => (d as { id: string }).id === other))
      yield* second.stop
    }).pipe(Effect.provide(world), quietly)
  )

  it.effect("cost a program no event that it does not want", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const { dispatches, stop } = yield* start({ config: { events: ["MESSAGE_CREATE"] } })
      const [guild] = yield* simulator.guilds
      yield* simulator.dispatch("CHANNEL_CREATE", named(guild?.id ?? "", "7", "news"))
      yield* simulator.dispatch("MESSAGE_CREATE", { id: "1", guild_id: guild?.id })
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(
        dispatches().map(({ t }) => t),
        ["READY", "MESSAGE_CREATE"]
      )
      yield* stop
      const second = yield* start({ payloads: (gateway) => gateway.on("GUILD_CREATE") })
      const channels = second.got.flatMap(({ d }) => (d as { channels: Array<{ name: string }> }).channels)
      assert.include(
        channels.map(({ name }) => name),
        "news",
        "though the first process wanted none of it"
      )
      yield* second.stop
    }).pipe(Effect.provide(world), quietly)
  )

  it.effect("are not handed out after a process that kept none, until the next READY", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const first = yield* start()
      yield* first.stop
      const without = yield* start({ keepsGuilds: false })
      const [guild] = yield* simulator.guilds
      yield* simulator.dispatch("CHANNEL_CREATE", named(guild?.id ?? "", "7", "news"))
      yield* TestClock.adjust("5 seconds")
      yield* without.stop
      const second = yield* start()
      assert.deepStrictEqual(
        second.dispatches().map(({ t }) => t),
        ["RESUMED"]
      )
      yield* simulator.invalidateSession(false)
      yield* TestClock.adjust("30 seconds")
      yield* second.stop
      const third = yield* start()
      assert.strictEqual(third.dispatches().filter(({ replayed }) => replayed === true).length, 2)
      yield* third.stop
    }).pipe(Effect.provide(world), quietly)
  )

  it.effect("are not handed out in part after their store has lost them, until the next READY", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const first = yield* start()
      yield* first.stop
      const kept = yield* (yield* Persistence.BackingPersistence).make("disruption-gateway_guilds")
      yield* kept.clear
      const second = yield* start()
      yield* simulator.joinGuilds(1)
      yield* TestClock.adjust("5 seconds")
      yield* second.stop
      const third = yield* start()
      assert.deepStrictEqual(
        third.dispatches().map(({ t }) => t),
        ["RESUMED"]
      )
      yield* simulator.invalidateSession(false)
      yield* TestClock.adjust("30 seconds")
      yield* third.stop
      const fourth = yield* start()
      assert.strictEqual(fourth.dispatches().filter(({ replayed }) => replayed === true).length, 3)
      yield* fourth.stop
    }).pipe(Effect.provide(world), quietly)
  )

  it.effect("beside the sessions of an owner take a store that is fenced", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Layer.build(GuildSnapshots.layerBesideSessions.pipe(Layer.provide(SessionStore.layerMemory)))
      )
      assert.include(error.message, "the SessionStore is none of those")
    })
  )

  it.effect("may be changed by the program that got them", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const first = yield* start({
        payloads: (gateway) =>
          Stream.tap(gateway.payloads, ({ d }) =>
            Effect.sync(() => {
              if (d !== null && typeof d === "object" && "name" in d) d.name = "changed by the program"
            })
          )
      })
      const [guild] = yield* simulator.guilds
      yield* simulator.dispatch("CHANNEL_CREATE", named(guild?.id ?? "", "7", "news"))
      yield* TestClock.adjust("5 seconds")
      yield* first.stop
      const second = yield* start()
      assert.notInclude(JSON.stringify(second.dispatches()), "changed by the program")
      yield* second.stop
    }).pipe(Effect.provide(world), quietly)
  )

  it.effect("are none without the service, as Discord sends none after a RESUME", () =>
    Effect.gen(function* () {
      const first = yield* start({ keepsGuilds: false })
      yield* first.stop
      const second = yield* start({ keepsGuilds: false })
      assert.deepStrictEqual(
        second.dispatches().map(({ t }) => t),
        ["RESUMED"]
      )
      yield* second.stop
    }).pipe(Effect.provide(world), quietly)
  )
})
