import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { defaultIntents, GatewayConfig, type GatewayOptions } from "../../src/services/GatewayConfig.ts"

const resolve = (options: GatewayOptions) => Effect.provide(GatewayConfig, GatewayConfig.layer(options))

const fromEnvironment = (env: Record<string, string>, options: Partial<GatewayOptions> = {}) =>
  Effect.provide(GatewayConfig, GatewayConfig.layerEnvWith(options)).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
  )

describe("the configuration", () => {
  it.effect("needs a token only", () =>
    Effect.gen(function* () {
      const config = yield* resolve({ token: Redacted.make("abc") })
      assert.strictEqual(Redacted.value(config.token), "abc")
      assert.strictEqual(config.intents, defaultIntents)
      assert.strictEqual(config.intents & ((1 << 1) | (1 << 8) | (1 << 15)), 0, "nothing privileged")
      assert.strictEqual(config.apiUrl, "https://discord.com/api/v10")
      assert.deepStrictEqual(Array.from(config.shards, String), ["0/1"])
    })
  )

  it.effect("never shows the token", () =>
    Effect.gen(function* () {
      const config = yield* resolve({ token: "secret-token" })
      assert.notInclude(JSON.stringify(config) + String(config.token), "secret-token")
      const error = yield* Effect.flip(resolve({ token: "secret token" }))
      assert.notInclude(JSON.stringify(error) + error.message, "secret token")
    })
  )

  const wrong: ReadonlyArray<readonly [option: string, options: Partial<GatewayOptions>, says: string]> = [
    ["token", { token: "" }, "missing"],
    ["token", { token: "Bot abc" }, 'without "Bot "'],
    ["token", { token: "a b" }, "white space"],
    ["intents", { intents: "GUILDS,GUILD_MESAGES" }, '"GUILD_MESAGES" is not an intent'],
    ["intents", { intents: -1 }, "-1"],
    ["shards", { shards: 0 }, "0 is not a number of shards"],
    ["shards", { shards: Number.NaN }, "NaN"],
    ["shards", { shards: { ids: [4], total: 4 } }, "4 is not a shard of 4"],
    ["shards", { shards: { ids: [], total: 4 } }, "at least one"],
    ["largeThreshold", { largeThreshold: 49 }, "50 to 250"],
    ["apiUrl", { apiUrl: "discord.com" }, "https://"],
    ["gatewayUrl", { gatewayUrl: "https://gateway.discord.gg" }, "wss://"],
    ["timeouts.hello", { timeouts: { hello: "-1 seconds" } }, "positive"],
    ["timeouts.open", { timeouts: { open: Infinity } }, "finite"],
    ["stableAfter", { stableAfter: "0 seconds" }, "positive"],
    ["buffer", { buffer: 0 }, "1 to"],
    ["maxPayloadBytes", { maxPayloadBytes: 10 }, "4096 to"]
  ]
  for (const [option, options, says] of wrong) {
    it.effect(`refuses ${option} = ${JSON.stringify(Object.values(options)[0])} by name`, () =>
      Effect.gen(function* () {
        const { reason } = yield* Effect.flip(resolve({ token: "abc", ...options }))
        assert.deepInclude(reason, { _tag: "InvalidConfig", option })
        assert.include(reason.message, says)
      })
    )
  }

  it.effect("is read from the environment, where options do not say it", () =>
    Effect.gen(function* () {
      const env = {
        DISCORD_TOKEN: "abc",
        DISCORD_INTENTS: "GUILDS,GUILD_MESSAGES",
        DISCORD_SHARDS: "2,3/4",
        DISCORD_LARGE_THRESHOLD: "100",
        DISCORD_API_URL: "http://127.0.0.1:8080/api/v10/",
        DISCORD_GATEWAY_URL: "ws://127.0.0.1:8080"
      }
      const config = yield* fromEnvironment(env)
      assert.strictEqual(Redacted.value(config.token), "abc")
      assert.strictEqual(config.intents, 513)
      assert.deepStrictEqual(Array.from(config.shards, String), ["2/4", "3/4"])
      assert.strictEqual(config.largeThreshold, 100)
      assert.strictEqual(config.apiUrl, "http://127.0.0.1:8080/api/v10")
      assert.strictEqual(config.gatewayUrl, "ws://127.0.0.1:8080")
      const chosen = yield* fromEnvironment(env, { intents: ["GUILDS"], timeouts: { hello: 500 }, shards: undefined })
      assert.strictEqual(chosen.intents, 1)
      assert.strictEqual(chosen.shards.length, 2)
      assert.strictEqual(Duration.toMillis(chosen.timeouts.hello), 500)
    })
  )

  it.effect("names the variable that is missing or wrong", () =>
    Effect.gen(function* () {
      const option = (env: Record<string, string>, options?: Partial<GatewayOptions>) =>
        Effect.map(Effect.flip(fromEnvironment(env, options)), ({ reason }) =>
          reason._tag === "InvalidConfig" ? reason.option : reason._tag
        )
      assert.strictEqual(yield* option({}), "DISCORD_TOKEN")
      assert.strictEqual(yield* option({ DISCORD_TOKEN: "" }), "DISCORD_TOKEN")
      assert.strictEqual(yield* option({ DISCORD_TOKEN: "a", DISCORD_INTENTS: "X" }), "DISCORD_INTENTS")
      assert.strictEqual(yield* option({ DISCORD_TOKEN: "a", DISCORD_INTENTS: "X" }, { intents: "Y" }), "intents")
      for (const shards of ["many", "1e3", "0x2", "/4", "1/2/3", "2,3", "-1"]) {
        assert.strictEqual(yield* option({ DISCORD_TOKEN: "a", DISCORD_SHARDS: shards }), "DISCORD_SHARDS", shards)
      }
      assert.strictEqual(yield* option({ DISCORD_TOKEN: "a", DISCORD_INTENTS: "," }), "DISCORD_INTENTS")
      assert.strictEqual(yield* option({ DISCORD_TOKEN: "a", DISCORD_COMPRESSION: "gzip" }), "DISCORD_COMPRESSION")
      assert.strictEqual(yield* option({ DISCORD_TOKEN: "a", DISCORD_API_URL: "here" }), "DISCORD_API_URL")
      assert.strictEqual(yield* option({ DISCORD_TOKEN: "a", DISCORD_LARGE_THRESHOLD: "x" }), "DISCORD_LARGE_THRESHOLD")
    })
  )
})
