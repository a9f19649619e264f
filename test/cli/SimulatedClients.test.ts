import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Persistence from "effect/persistence/Persistence"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { activity } from "../../src/cli/SimulatedClients.ts"
import { Gateway } from "../../src/gateway/Gateway.ts"
import { GatewayConfig } from "../../src/services/GatewayConfig.ts"
import { SessionStore } from "../../src/services/SessionStore.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"

/** What is said of a bot that connects and is stopped, and then of one that Discord closes. */
const said = (sessions: Layer.Layer<SessionStore>) =>
  Effect.gen(function* () {
    const simulator = yield* DiscordSimulator
    const lines: Array<string> = []
    yield* Effect.forkScoped(
      Stream.runForEach(activity, (parts) => Effect.sync(() => lines.push(parts.map(({ text }) => text).join(""))))
    )
    const scope = yield* Scope.make()
    yield* Layer.buildWithScope(
      Gateway.layer.pipe(Layer.provide(sessions), Layer.provide(GatewayConfig.layer({ token: "simulated-token" }))),
      scope
    )
    yield* TestClock.adjust("2 seconds")
    yield* simulator.close(4000)
    yield* TestClock.adjust("2 seconds")
    yield* Scope.close(scope, Exit.void)
    yield* TestClock.adjust("2 seconds")
    return lines.filter((line) => line.includes(" closed by ")).map((line) => line.replace(/^.*?: /, ""))
  }).pipe(Effect.provide(DiscordSimulator.layer))

describe("the simulated Discord's account of its clients", () => {
  it.effect("says of an orderly close what becomes of the session, and names no error of Discord's", () =>
    Effect.gen(function* () {
      const kept = SessionStore.layerPersisted.pipe(Layer.provide(Persistence.layerBackingMemory))
      assert.deepStrictEqual(yield* said(kept), [
        "closed by the simulator with 4000 (Unknown error)",
        "closed by the client with 4000 (the session can be resumed)"
      ])
      assert.deepStrictEqual(yield* said(SessionStore.layerMemory), [
        "closed by the simulator with 4000 (Unknown error)",
        "closed by the client with 1000 (the session has ended)"
      ])
    })
  )
})
