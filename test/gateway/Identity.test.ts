import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Persistence from "effect/persistence/Persistence"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { Gateway } from "../../src/gateway/Gateway.ts"
import type { Identity } from "../../src/schema/Identity.ts"
import { GatewayConfig, type GatewayOptions } from "../../src/services/GatewayConfig.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import { applicationId, bot } from "../../src/simulator/Bot.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import { guild } from "../../src/simulator/SampleGuild.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

const guildIds = (count: number) => Array.from({ length: count }, (_, n) => guild(n).id)

const described = (identity: Option.Option<Identity>) =>
  Option.getOrUndefined(
    Option.map(identity, ({ application, guilds, user }) => ({
      user: [user.id, user.username],
      application: application.id,
      guilds: guilds.toSorted()
    }))
  )

const expected = (guilds: number) => ({
  user: [bot.id, bot.username],
  application: applicationId,
  guilds: guildIds(guilds).toSorted()
})

/** Starts a program on the stores of the context, and lets its handshake happen. */
const start = (config: Partial<GatewayOptions> = {}) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(
      Gateway.layer.pipe(
        Layer.provide(Layer.fresh(SessionStore.layerPersisted)),
        Layer.provide(GatewayConfig.layer({ token: "simulated-token", compression: "none", ...config }))
      ),
      scope
    )
    yield* Scope.provide(Effect.provideContext(SimulatedBot.listen, context), scope)
    yield* TestClock.adjust("10 seconds")
    return { gateway: yield* Effect.provideContext(Gateway, context), stop: Scope.close(scope, Exit.void) }
  })

const world = (guilds: number) =>
  SimulatedBot.discord({ guilds }).pipe(Layer.provideMerge(Persistence.layerBackingMemory))

describe("a bot's identity", () => {
  it.effect("is none before READY, and then READY's user, application and guilds", () =>
    Effect.gen(function* () {
      const gateway = yield* Gateway
      assert.deepStrictEqual(yield* gateway.identity, Option.none())
      yield* SimulatedBot.ready
      assert.deepStrictEqual(described(yield* gateway.identity), expected(3))
    }).pipe(Effect.provide(SimulatedBot.layer({ simulator: { guilds: 3 } })))
  )

  it.effect("has the guilds of all shards", () =>
    Effect.gen(function* () {
      const { gateway } = yield* start({ shards: 4 })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(described(yield* gateway.identity), expected(20))
    }).pipe(Effect.provide(world(20)))
  )

  it.effect("is there after a RESUME in a new process, which gets no READY", () =>
    Effect.gen(function* () {
      const first = yield* start({ shards: 2 })
      yield* first.stop
      yield* TestClock.adjust("5 seconds")
      const second = yield* start({ shards: 2 })
      assert.deepStrictEqual(described(yield* second.gateway.identity), expected(5))
      yield* second.stop
      assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2], [2], [6], [6]])
    }).pipe(Effect.provide(world(5)))
  )

  it.effect("is kept while an invalid session is replaced, and then that of the new session", () =>
    Effect.gen(function* () {
      const { gateway, stop } = yield* start()
      const simulator = yield* DiscordSimulator
      yield* simulator.invalidateSession(false)
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(yield* gateway.session(), Option.none())
      assert.deepStrictEqual(described(yield* gateway.identity), expected(2))
      yield* TestClock.adjust("1 minute")
      yield* stop
      const second = yield* start()
      assert.deepStrictEqual(described(yield* second.gateway.identity), expected(2))
      assert.deepStrictEqual(yield* SimulatedBot.handshakes, [[2], [2], [6]])
    }).pipe(Effect.provide(world(2)))
  )
})
