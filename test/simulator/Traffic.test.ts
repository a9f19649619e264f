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

  it.effect("is about messages that were sent, and about people who are where they are", () =>
    Effect.gen(function* () {
      const client = yield* connected({ intents: allIntents })
      yield* Effect.forkChild(DiscordSimulator.traffic({ perSecond: 200, guilds: 3 }))
      yield* TestClock.adjust("20 seconds")
      const sent = new Set<unknown>()
      const reactions = new Set<string>()
      const voice = new Map<unknown, unknown>()
      const seen = new Set<string | null>()
      for (const { d, t } of client.received) {
        const { channel_id, emoji, guild_id, id, message_id, user_id } = d as Record<string, unknown>
        const reaction = JSON.stringify([message_id, user_id, emoji])
        const state = `${guild_id} ${user_id}`
        seen.add(t)
        if (t === "MESSAGE_CREATE") sent.add(id)
        if (t === "MESSAGE_UPDATE") assert.isTrue(sent.has(id))
        if (t === "MESSAGE_DELETE") assert.isTrue(sent.delete(id))
        if (t?.startsWith("MESSAGE_REACTION") === true) assert.isTrue(sent.has(message_id))
        if (t === "MESSAGE_REACTION_ADD") reactions.add(reaction)
        if (t === "MESSAGE_REACTION_REMOVE") assert.isTrue(reactions.delete(reaction))
        if (t === "VOICE_STATE_UPDATE" && channel_id === null) assert.isTrue(voice.delete(state))
        if (t === "VOICE_STATE_UPDATE" && channel_id !== null) voice.set(state, channel_id)
      }
      assert.includeMembers(
        [...seen],
        ["MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_REACTION_ADD", "MESSAGE_REACTION_REMOVE", "VOICE_STATE_UPDATE"]
      )
    }).pipe(Random.withSeed("history"), Effect.provide(DiscordSimulator.layer))
  )

  it.effect("is of guilds with @everyone, the bot among the members, and a channel to speak in", () =>
    Effect.gen(function* () {
      const client = yield* connected({ intents: allIntents })
      yield* Effect.forkChild(DiscordSimulator.traffic({ perSecond: 200, guilds: 3 }))
      yield* TestClock.adjust("20 seconds")
      const { id: bot } = client.event("READY")["user"] as { id: string }
      const all = client.received.filter(({ t }) => t === "GUILD_CREATE").map(({ d }) => d as Record<string, unknown>)
      assert.strictEqual(new Set(all.map(({ id }) => id)).size, 3)
      for (const { channels, id, members, roles } of all) {
        assert.deepInclude((roles as ReadonlyArray<object>)[0], { id, name: "@everyone" })
        assert.include(JSON.stringify(members), `"id":"${bot}"`)
        assert.deepStrictEqual(
          (channels as ReadonlyArray<{ type: number }>).map(({ type }) => type),
          [0, 2]
        )
      }
      const speaking = client.received.filter(({ t }) => t === "VOICE_STATE_UPDATE").map(({ d }) => d)
      const voiceChannels = new Set(
        all.flatMap(({ channels }) => (channels as ReadonlyArray<{ id: string; type: number }>)[1]?.id)
      )
      assert.isNotEmpty(speaking)
      for (const { channel_id } of speaking as ReadonlyArray<{ channel_id: string | null }>) {
        assert.isTrue(channel_id === null || voiceChannels.has(channel_id))
      }
    }).pipe(Random.withSeed("guilds"), Effect.provide(DiscordSimulator.layerWith({ guilds: 3 })))
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
