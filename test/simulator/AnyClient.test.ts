import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as TestClock from "effect/testing/TestClock"
import { DiscordSimulator } from "disruption-gateway/testing"
import { sampleToken } from "../../src/simulator/Bot.ts"
import { connected, dial, identifyWith } from "../support/RawClient.ts"

const second = TestClock.adjust("1 second")

describe("a client of any library is taken as Discord takes it:", () => {
  it.effect.each([
    ["Bot before the token", { token: "Bot simulated-token" }],
    ["properties with $", { properties: { $os: "linux", $browser: "a", $device: "b" } }],
    ["compress with a name", { compress: "zlib-stream" }],
    ["properties without a device", { properties: { os: "linux", browser: "a" } }]
  ] as const)("%s", ([, changes]) =>
    Effect.gen(function* () {
      const client = yield* connected(changes)
      assert.deepStrictEqual(client.events, ["READY"])
      const [connection] = yield* (yield* DiscordSimulator).connections
      assert.notInclude(JSON.stringify(connection), "simulated-token")
      assert.deepInclude(connection?.frames[0]?.payload, { d: identifyWith({ ...changes, token: "<token>" }) })
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.effect.each([
    [9, "wss://gateway.discord.gg/?v=9&encoding=json"],
    [10, "wss://gateway.discord.gg/?v=10"]
  ] as const)("version %i by %s", ([v, url]) =>
    Effect.gen(function* () {
      const client = yield* dial(url)
      yield* second
      client.identify()
      yield* second
      assert.deepInclude(client.event("READY"), { v, private_channels: [] })
      client.ws.terminate()
      const again = yield* dial(url)
      yield* second
      again.resume(client.sessionId, 1, "Bot simulated-token")
      yield* second
      assert.deepStrictEqual(again.events, ["RESUMED"])
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.effect("snowflakes as numbers, which lose no digit", () =>
    Effect.gen(function* () {
      const client = yield* connected({ intents: 1 << 7 })
      client.socket.send(`{"op":8,"d":{"guild_id":794354200123456789,"user_ids":[794354200123456787, 5]}}`)
      client.socket.send(
        `{"op":4,"d":{"guild_id":794354200123456789,"channel_id":794354200123456787,"self_mute":false,"self_deaf":false}}`
      )
      client.socket.send(`{"op":8,"d":{"guild_id":1,"user_ids":[],"nonce":"a\\" 794354200123456789"}}`)
      yield* second
      assert.deepInclude(client.event("GUILD_MEMBERS_CHUNK"), {
        guild_id: "794354200123456789",
        not_found: ["794354200123456787", "5"]
      })
      assert.deepInclude(client.event("VOICE_STATE_UPDATE"), { channel_id: "794354200123456787" })
      assert.deepInclude(client.received.at(-1)?.d, { guild_id: "1", nonce: 'a" 794354200123456789' })
    }).pipe(Effect.provide(DiscordSimulator.layer))
  )

  it.effect("requests for the bot's user and application, which the token's first part names", () =>
    Effect.gen(function* () {
      for (const path of ["/v10/users/@me", "/v9/applications/@me", "/v10/oauth2/applications/@me"]) {
        const asking = yield* Effect.forkChild(
          HttpClient.get(`https://discord.com/api${path}`, { headers: { authorization: `Bot ${sampleToken}` } })
        )
        yield* second
        const response = yield* Fiber.join(asking)
        assert.strictEqual(response.status, 200)
        assert.deepInclude(yield* response.json, { id: atob(sampleToken.split(".")[0] ?? "") })
      }
      assert.match(sampleToken, /^[\w-]{24,28}\.[\w-]{6}\.[\w-]{27,38}$/)
    }).pipe(Effect.provide(DiscordSimulator.layerWith({ token: sampleToken })))
  )
})
