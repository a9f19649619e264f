import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { Gateway } from "../../src/gateway/Gateway.ts"
import type { Session } from "../../src/schema/Session.ts"
import { GatewayConfig } from "../../src/services/GatewayConfig.ts"
import { GatewayConnection } from "../../src/services/GatewayConnection.ts"
import { GatewayDirectory } from "../../src/services/GatewayDirectory.ts"
import { Heartbeat } from "../../src/services/Heartbeat.ts"
import { IdentifyLimiter } from "../../src/services/IdentifyLimiter.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

/** A store of the program's own, which remembers what it was given. */
const ownStore = () => {
  const given: Array<Session> = []
  const layer = Layer.succeed(SessionStore, {
    get: () => Effect.succeedNone,
    set: (session) => Effect.sync(() => void given.push(session)),
    remove: () => Effect.void,
    durable: true
  })
  return { given, layer }
}

const config = GatewayConfig.layer({ token: "simulated-token", compression: "none" })

const connects = Effect.gen(function* () {
  const gateway = yield* Gateway
  yield* TestClock.adjust("1 minute")
  assert.deepStrictEqual(
    (yield* gateway.shards).map(({ state }) => state),
    ["ready"]
  )
})

describe("Gateway.layer", () => {
  it.effect("brings its usual services", () =>
    connects.pipe(Effect.provide(Gateway.layer.pipe(Layer.provide(config), Layer.provideMerge(SimulatedBot.discord()))))
  )

  it.effect("takes a service that the program provides in place of the usual one", () => {
    const { given, layer } = ownStore()
    return Effect.andThen(
      connects,
      Effect.sync(() => assert.isNotEmpty(given))
    ).pipe(
      Effect.provide(Gateway.layer.pipe(Layer.provide([layer, config]), Layer.provideMerge(SimulatedBot.discord())))
    )
  })
})

describe("Gateway.layerNoDeps", () => {
  it.effect("is given every service by the program", () => {
    const { given, layer } = ownStore()
    const parts = Layer.mergeAll(GatewayConnection.layer, Heartbeat.layer, IdentifyLimiter.layerMemory, layer).pipe(
      Layer.provideMerge(GatewayDirectory.layer),
      Layer.provideMerge(config)
    )
    return Effect.andThen(
      connects,
      Effect.sync(() => assert.isNotEmpty(given))
    ).pipe(Effect.provide(Gateway.layerNoDeps.pipe(Layer.provide(parts), Layer.provideMerge(SimulatedBot.discord()))))
  })
})
