import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as TestClock from "effect/testing/TestClock"
import { DiscordSimulator } from "disruption-gateway/testing"
import { intentNames, Intents } from "../../src/schema/Intents.ts"
import { connected } from "../support/RawClient.ts"

const allIntents = intentNames.reduce((bits, name) => bits | Intents[name], 0)

describe("traffic", () => {
  it.effect("is as much as was asked for, and of all kinds", () =>
    Effect.gen(function* () {
      const client = yield* connected({ intents: allIntents })
      yield* Effect.forkChild(DiscordSimulator.traffic({ perSecond: 200 }))
      yield* TestClock.adjust("10.1 seconds")
      const events = client.events.slice(1)
      assert.approximately(events.length, 2000, 15)
      const share = (name: string) => events.filter((event) => event === name).length / events.length
      assert.approximately(share("MESSAGE_CREATE"), 0.25, 0.05)
      assert.approximately(share("PRESENCE_UPDATE"), 0.3, 0.05)
      assert.isAbove(share("GUILD_CREATE"), 0)
      const message = client.event("MESSAGE_CREATE")
      assert.match(String(message["id"]), /^\d{1,20}$/)
      assert.isString(message["content"])
    }).pipe(Random.withSeed("traffic"), Effect.provide(DiscordSimulator.layer))
  )

  it.effect("has incidents now and then", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* Effect.forkChild(DiscordSimulator.traffic({ incidents: "30 seconds" }))
      let ends = 0
      for (let minute = 0; minute < 10; minute++) {
        const client = yield* connected()
        yield* TestClock.adjust("60 seconds")
        if (client.closed !== undefined) ends += 1
        client.ws.terminate()
      }
      assert.isAbove(ends, 2)
      const outcomes = (yield* simulator.dials).map(({ outcome }) => outcome)
      assert.include(outcomes, "refused")
      assert.include(outcomes, "accepted")
    }).pipe(Random.withSeed("incidents"), Effect.provide(DiscordSimulator.layer))
  )
})
