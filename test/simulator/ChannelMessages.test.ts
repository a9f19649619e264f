import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { HttpClient, HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import { Intents } from "../../src/schema/Intents.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import { sampleEvent } from "../../src/simulator/SampleEvents.ts"
import { connected } from "../support/RawClient.ts"

const { channel_id, guild_id } = sampleEvent("MESSAGE_CREATE")

/** Posts to the path; gives status and body. */
const post = Effect.fnUntraced(function* (path: string, body: object, token = "simulated-token") {
  const request = HttpClientRequest.post(`https://discord.com/api/v10${path}`).pipe(
    HttpClientRequest.setHeader("authorization", `Bot ${token}`),
    HttpClientRequest.bodyJsonUnsafe(body)
  )
  const answer = yield* Effect.forkChild(
    Effect.flatMap(HttpClient.execute(request), (response) =>
      Effect.map(response.json, (json) => ({ status: response.status, json }))
    )
  )
  yield* TestClock.adjust("1 second")
  return yield* Fiber.join(answer)
})

describe("a message that a bot posts to the simulated Discord", () => {
  it.effect("is answered, and comes over the gateway with its content, as the bot's own", () =>
    Effect.gen(function* () {
      const simulator = yield* DiscordSimulator
      const client = yield* connected({ intents: Intents.GUILD_MESSAGES })
      const { json, status } = yield* post(`/channels/${channel_id}/messages`, { content: "hello" })
      assert.strictEqual(status, 200)
      const heard = client.event("MESSAGE_CREATE")
      assert.deepInclude(heard, { channel_id, guild_id, content: "hello" })
      assert.deepInclude(heard["author"], { bot: true })
      assert.include(JSON.stringify(json), `"id":"${String(heard["id"])}"`)
      assert.notProperty(json, "guild_id")
      const request = (yield* simulator.requests).at(-1)
      assert.deepInclude(request, { method: "POST", status: 200, body: '{"content":"hello"}' })
    }).pipe(Effect.provide(DiscordSimulator.layerWith({ guilds: 1 })))
  )

  it.effect("is refused where Discord refuses it", () =>
    Effect.gen(function* () {
      const path = `/channels/${channel_id}/messages`
      assert.deepInclude(yield* post(path, {}), { status: 400 })
      assert.deepInclude((yield* post(path, { content: "" })).json, { code: 50006 })
      assert.deepInclude((yield* post(path, { content: "x".repeat(2001) })).json, { code: 50035 })
      assert.strictEqual((yield* post(path, { content: "x" }, "another")).status, 401)
      assert.strictEqual((yield* post("/guilds/1/roles", { name: "x" })).status, 404)
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )
})
