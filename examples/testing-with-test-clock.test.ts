// Tests a bot without Discord and without waiting: the simulated Discord lives in memory, and the TestClock moves it.
import { assert, describe, it } from "@effect/vitest"
import { Gateway, GatewayConfig, GatewayLive } from "disruption-gateway"
import { DiscordSimulator } from "disruption-gateway/testing"
import { Effect, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"

// The bot under test: it counts messages.
const countMessages = (counted: { messages: number }) =>
  Effect.gen(function* () {
    const gateway = yield* Gateway
    yield* Stream.runForEach(gateway.on("MESSAGE_CREATE"), () =>
      Effect.sync(() => {
        counted.messages++
      })
    )
  })

const TestDiscord = GatewayLive.pipe(
  Layer.provide(GatewayConfig.layer({ token: "simulated-token" })),
  Layer.provideMerge(DiscordSimulator.layer)
)

describe("the bot", () => {
  it.effect("counts a message that was sent while its connection was down", () =>
    Effect.gen(function* () {
      const discord = yield* DiscordSimulator
      const counted = { messages: 0 }
      yield* Effect.forkChild(countMessages(counted))
      yield* TestClock.adjust("1 second")

      yield* discord.dispatch("MESSAGE_CREATE", { content: "one" })
      yield* discord.drop()
      yield* discord.dispatch("MESSAGE_CREATE", { content: "two" })
      yield* TestClock.adjust("1 second")

      assert.strictEqual(counted.messages, 2)
      assert.strictEqual((yield* discord.counts).resumes, 1)
    }).pipe(Effect.provide(TestDiscord))
  )
})
