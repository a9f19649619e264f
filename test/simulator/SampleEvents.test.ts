import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { intentNames, Intents } from "../../src/schema/Intents.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import { sampleEvent } from "../../src/simulator/SampleEvents.ts"
import { guild } from "../../src/simulator/SampleGuild.ts"
import { connected } from "../support/RawClient.ts"
import * as SimulatedBot from "../support/SimulatedBot.ts"

describe("a sample event", () => {
  it("is whole, with the fields that the test names: objects are merged, lists replaced", () => {
    const whole = sampleEvent("MESSAGE_CREATE")
    const own = sampleEvent("MESSAGE_CREATE", { content: "hi", author: { username: "ada" }, mentions: [whole.author] })
    assert.deepStrictEqual(own, {
      ...whole,
      content: "hi",
      author: { ...whole.author, username: "ada" },
      mentions: [whole.author]
    })
    assert.strictEqual(whole.content, "hello")
    assert.deepStrictEqual(sampleEvent("MESSAGE_CREATE"), whole, "it is the same at each call")
    assert.deepStrictEqual(sampleEvent("MESSAGE_CREATE", { content: undefined }), whole)
    assert.deepStrictEqual(sampleEvent("VOICE_STATE_UPDATE", { channel_id: null }).channel_id, null)
  })

  it("is of a guild that the simulated bot is in", () => {
    assert.strictEqual(sampleEvent("MESSAGE_CREATE").guild_id, guild(0).id)
    assert.strictEqual(sampleEvent("GUILD_CREATE").id, guild(0).id)
    assert.isTrue(guild(0).channels.some(({ id }) => id === sampleEvent("MESSAGE_CREATE").channel_id))
    assert.isTrue(guild(0).members.some(({ user }) => user.id === sampleEvent("MESSAGE_CREATE").author.id))
  })

  it.effect("has typed fields, and so has what is dispatched: the compiler finds a wrong one", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      // @ts-expect-error: a text
      sampleEvent("MESSAGE_CREATE", { content: 5 })
      // @ts-expect-error: a field that there is not
      sampleEvent("MESSAGE_CREATE", { author: { nick: "ada" } })
      // @ts-expect-error: an event that there is not
      assert.throws(() => sampleEvent("MESAGE_CREATE").content)
      // @ts-expect-error: a text
      yield* simulator.dispatch("MESSAGE_CREATE", { content: 5 })
      // @ts-expect-error: a field that there is not
      yield* simulator.dispatch("MESSAGE_CREATE", { contents: "hi" })
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "hi", author: { username: "ada" } })
      yield* simulator.dispatch("AN_EVENT_OF_TOMORROW", { anything: 5 })
      yield* simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { content: 5 } }])
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.effect("lets a bot read what Discord would send, where a part of an event lets it fail", () =>
    Effect.gen(function* () {
      const { gateway, simulator } = yield* SimulatedBot.ready
      const said: Array<string> = []
      const bot = gateway.handle({
        MESSAGE_CREATE: ({ d }) => Effect.sync(() => said.push(`${d.author.username.toUpperCase()}: ${d.content}`))
      })
      const running = yield* Effect.forkChild(Effect.exit(bot))
      yield* TestClock.adjust("1 second")
      yield* simulator.dispatch("MESSAGE_CREATE", sampleEvent("MESSAGE_CREATE", { author: { username: "ada" } }))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(said, ["ADA: hello"])
      yield* simulator.dispatch("MESSAGE_CREATE", { content: "without an author" })
      yield* TestClock.adjust("1 second")
      assert.strictEqual(running.pollUnsafe()?._tag, "Success")
    }).pipe(Effect.provide(SimulatedBot.layer({ config: { intents: [...intentNames] } })))
  )

  it.effect("goes to the shard of its guild, by `dispatch` and by `dispatchAll`", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      yield* connected({ shard: [0, 2], intents: Intents.GUILD_MESSAGE_TYPING })
      yield* TestClock.adjust("10 seconds")
      yield* connected({ shard: [1, 2], intents: Intents.GUILD_MESSAGE_TYPING })
      yield* TestClock.adjust("10 seconds")
      const typing = sampleEvent("TYPING_START")
      assert.strictEqual(yield* simulator.dispatch("TYPING_START", typing), 1)
      assert.strictEqual(yield* simulator.dispatchAll([{ t: "TYPING_START", d: typing }]), 1)
      assert.strictEqual(yield* simulator.dispatchAll([{ t: "TYPING_START", d: {} }]), 2)
    }).pipe(Effect.provide(DiscordSimulator.layerWith({ shards: 2, maxConcurrency: 2 })))
  )
})
