import { assert, describe, it } from "@effect/vitest"
import { PresenceUpdateStatus } from "discord-api-types/v10"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { defaultIntents, GatewayConfig, GatewayOptions } from "../../src/services/GatewayConfig.ts"

const resolve = (options: GatewayOptions) => Effect.provide(GatewayConfig, GatewayConfig.layer(options))

/** A program without types, whose options can be anything. */
const refusal = (options: Record<string, unknown>) => {
  const untyped: GatewayOptions = JSON.parse("{}")
  return Effect.map(Effect.flip(resolve({ ...untyped, token: "abc", ...options })), ({ reason }) => reason)
}

const withVariables =
  (env: Record<string, string>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.provideService(self, ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))

const fromConfig = (env: Record<string, string>, options: Config.Wrap<GatewayOptions> = GatewayConfig.config) =>
  Effect.provide(GatewayConfig, GatewayConfig.layerConfig(options)).pipe(withVariables(env))

const fromEnvironment = (env: Record<string, string>, options: Partial<GatewayOptions> = {}) =>
  Effect.provide(GatewayConfig, GatewayConfig.layerEnvWith(options)).pipe(withVariables(env))

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
    ["capabilities", { capabilities: "CHANNEL_OBFUSCATED" }, "The capabilities are: CHANNEL_OBFUSCATION"],
    ["capabilities", { capabilities: -1 }, "bit field of capabilities"],
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
    ["maxPayloadBytes", { maxPayloadBytes: 10 }, "4096 to"],
    ["giveUpResume.failures", { giveUpResume: { failures: 0 } }, "1 to 1000"]
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

  const idle = { status: PresenceUpdateStatus.Idle, activities: [], since: null, afk: false }
  const untyped: ReadonlyArray<readonly [option: string, value: unknown, names: string, says: string]> = [
    ["presence", "idle", "presence", "status, activities, since, afk"],
    ["presence", { ...idle, status: "away" }, "presence.status", '"dnd"'],
    ["presence", { ...idle, activities: [{ type: 0 }] }, "presence.activities.0.name", "Missing key"],
    ["presence", { status: "idle", activities: [], since: null }, "presence.afk", "Missing key"],
    ["events", ["READY", "MESAGE_CREATE"], "events", "Did you mean MESSAGE_CREATE?"],
    ["events", "READY", "events", "an array with names of events"],
    ["whenBudgetExhausted", "stop", "whenBudgetExhausted", '"wait" | "fail"'],
    ["properties", { os: 1 }, "properties.os", "string"],
    ["properties", "linux", "properties", "object"],
    ["reconnect", "1 second", "reconnect", "a Schedule"],
    ["compression", "gzip", "compression", '"zlib-stream"'],
    ["shards", { ids: "all", total: 2 }, "shards.ids", "array"],
    ["shards", "many", "shards", '"auto", a count, or { ids, total }'],
    ["largeThreshold", "100", "largeThreshold", "an integer from 50 to 250"],
    ["apiUrl", 8080, "apiUrl", "https:// or http://"],
    ["stableAfter", "10 lightyears", "stableAfter", '"10 seconds"'],
    ["timeouts", { hello: true }, "timeouts.hello", '"10 seconds"'],
    ["intents", null, "intents", "names of intents or a bit field"],
    ["token", undefined, "token", "missing"],
    ["token", { text: "abc" }, "token", "missing"]
  ]
  for (const [option, value, names, says] of untyped) {
    it.effect(`refuses ${option} = ${JSON.stringify(value)} before anything is dialled`, () =>
      Effect.gen(function* () {
        const reason = yield* refusal({ [option]: value })
        assert.deepInclude(reason, { _tag: "InvalidConfig", option: names })
        assert.include(reason.message, says)
      })
    )
  }

  it.effect("says that a token is missing where there is no such option", () =>
    Effect.gen(function* () {
      const { message } = yield* Effect.flip(resolve(JSON.parse("{}")))
      assert.include(message, "token: the bot's token is missing")
    })
  )

  it.effect("passes on what fits", () =>
    Effect.gen(function* () {
      const presence = { ...idle, activities: [{ name: "chess", type: 0, state: "thinking", emoji: { name: "x" } }] }
      const reconnect = Schedule.recurs(3)
      const config = yield* resolve({
        token: "abc",
        presence,
        reconnect,
        events: ["READY", "MESSAGE_CREATE"],
        properties: { os: "plan9", device: undefined },
        whenBudgetExhausted: "fail"
      })
      assert.strictEqual(config.presence, presence, "with every field of an activity")
      assert.strictEqual(config.reconnect, reconnect)
      assert.deepStrictEqual([...(config.events ?? [])], ["READY", "MESSAGE_CREATE"])
      assert.deepStrictEqual(config.properties, {
        os: "plan9",
        browser: "disruption-gateway",
        device: "disruption-gateway"
      })
      assert.strictEqual(config.whenBudgetExhausted, "fail")
    })
  )

  it.effect("is a schema that reads its own output", () =>
    Effect.gen(function* () {
      const config = yield* Schema.decodeEffect(GatewayOptions)({
        token: "abc",
        shards: { ids: [2, 3], total: 4 },
        events: ["READY"]
      })
      const options = yield* Schema.encodeEffect(GatewayOptions)(config)
      assert.deepStrictEqual(options.shards, { ids: [2, 3], total: 4 })
      assert.deepStrictEqual(yield* Schema.decodeEffect(GatewayOptions)(options), config)
    })
  )
})

describe("the configuration from a Config", () => {
  it.effect("takes a Config for each option", () =>
    Effect.gen(function* () {
      const config = yield* fromConfig(
        { MY_TOKEN: "abc", MY_INTENTS: "GUILDS", MY_TIMEOUT: "2 seconds" },
        {
          token: Config.Redacted("MY_TOKEN"),
          intents: Config.String("MY_INTENTS"),
          largeThreshold: Config.withDefault(Config.Int("MY_THRESHOLD"), undefined),
          timeouts: { hello: Config.Duration("MY_TIMEOUT") }
        }
      )
      assert.strictEqual(Redacted.value(config.token), "abc")
      assert.strictEqual(config.intents, 1)
      assert.strictEqual(config.largeThreshold, undefined)
      assert.strictEqual(Duration.toMillis(config.timeouts.hello), 2000)
      assert.strictEqual(Duration.toMillis(config.timeouts.open), 10_000)
    })
  )

  it.effect("reads all variables, under a prefix too", () =>
    Effect.gen(function* () {
      const variables = {
        DISCORD_TOKEN: "abc",
        DISCORD_INTENTS: "513",
        DISCORD_SHARDS: "2,3/4",
        DISCORD_COMPRESSION: "none",
        DISCORD_LARGE_THRESHOLD: "100",
        DISCORD_IDENTIFY_RESERVE: "0",
        DISCORD_KEEP_IDENTIFIES: "False",
        DISCORD_API_URL: "http://127.0.0.1:8080/",
        DISCORD_GATEWAY_URL: "ws://127.0.0.1:8080"
      }
      const prefixed = Object.fromEntries(Object.entries(variables).map(([name, value]) => [`BOT_${name}`, value]))
      for (const config of [
        yield* fromConfig(variables),
        yield* fromConfig(prefixed, Config.nested(GatewayConfig.config, "BOT"))
      ]) {
        assert.strictEqual(Redacted.value(config.token), "abc")
        assert.strictEqual(config.intents, 513)
        assert.deepStrictEqual(Array.from(config.shards, String), ["2/4", "3/4"])
        assert.strictEqual(config.compression, "none")
        assert.strictEqual(config.largeThreshold, 100)
        assert.strictEqual(config.identifyReserve, 0)
        assert.isFalse(config.keepIdentifies)
        assert.strictEqual(config.apiUrl, "http://127.0.0.1:8080")
        assert.strictEqual(config.gatewayUrl, "ws://127.0.0.1:8080")
      }
    })
  )

  it.effect("takes blank variables for ones that are not set", () =>
    Effect.gen(function* () {
      const config = yield* fromConfig({ DISCORD_TOKEN: "abc", DISCORD_SHARDS: " ", DISCORD_INTENTS: "" })
      assert.strictEqual(config.intents, defaultIntents)
      assert.deepStrictEqual(Array.from(config.shards, String), ["0/1"])
    })
  )

  it.effect("fails with ConfigError where a Config does, which names the variable", () =>
    Effect.gen(function* () {
      const message = (env: Record<string, string>) =>
        Effect.map(Effect.flip(fromConfig(env)), (error) => {
          assert.strictEqual(error._tag, "ConfigError")
          return error.message
        })
      assert.include(yield* message({}), "DISCORD_TOKEN")
      const shards = yield* message({ DISCORD_TOKEN: "abc", DISCORD_SHARDS: "many" })
      assert.include(shards, "DISCORD_SHARDS")
      assert.include(shards, "a count such as 2")
      assert.include(yield* message({ DISCORD_TOKEN: "abc", DISCORD_LARGE_THRESHOLD: "9" }), "from 50 to 250, got 9")
    })
  )

  it.effect("fails with InvalidConfig where the value of a Config cannot be used", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        fromConfig({}, { token: Config.succeed("abc"), largeThreshold: Config.succeed(9) })
      )
      assert.strictEqual(error._tag, "GatewayError")
      assert.include(error.message, "largeThreshold: Expected an integer from 50 to 250, got 9")
    })
  )
})

describe("a token in the wrong place", () => {
  const token = "MTA0OTE2.Gx3kPa.x9_2-QhTn4"
  const shownBy = (error: { readonly message: string }) => error.message + JSON.stringify(error)
  const options = [
    "intents",
    "shards",
    "compression",
    "largeThreshold",
    "apiUrl",
    "gatewayUrl",
    "stableAfter",
    "buffer",
    "presence",
    "properties",
    "reconnect",
    "whenBudgetExhausted"
  ]
  for (const [kind, secret, given] of [
    ["that looks like one", token, "another"],
    ["that is the given one", "secret-token", "secret-token"],
    ["that is short", "hunter2", "hunter2"]
  ] as const) {
    it.effect(`${kind} is not printed with an option`, () =>
      Effect.gen(function* () {
        const values: ReadonlyArray<readonly [string, unknown]> = [
          ...options.map((option) => [option, secret] as const),
          ["events", [secret]],
          ["intents", ["GUILDS", secret]],
          // Within other text, a short one is a word as any other.
          ...(kind === "that is short" ? [] : [["apiUrl", `ftp://${secret}`] as const]),
          ["presence", { since: secret }],
          ["timeouts", { hello: secret }]
        ]
        for (const [option, value] of values) {
          const reason = yield* refusal({ token: given, [option]: value })
          assert.strictEqual(reason._tag, "InvalidConfig")
          assert.notInclude(shownBy(reason), secret, option)
        }
      })
    )

    it.effect(`${kind} is not printed with a variable`, () =>
      Effect.gen(function* () {
        for (const name of [
          "DISCORD_INTENTS",
          "DISCORD_SHARDS",
          "DISCORD_COMPRESSION",
          "DISCORD_LARGE_THRESHOLD",
          "DISCORD_IDENTIFY_RESERVE",
          "DISCORD_KEEP_IDENTIFIES",
          "DISCORD_API_URL",
          "DISCORD_GATEWAY_URL"
        ]) {
          const env = { DISCORD_TOKEN: given, [name]: secret }
          for (const error of [yield* Effect.flip(fromEnvironment(env)), yield* Effect.flip(fromConfig(env))]) {
            assert.include(error.message, name)
            assert.notInclude(shownBy(error), secret, name)
          }
        }
      })
    )
  }

  it.effect("is not printed in any form that it may have been pasted in", () =>
    Effect.gen(function* () {
      const [id, time, signature] = ["MTk4NjIyNDgzNDcxOTI1MjQ4", "Cl2FMQ", "ZnCjm1XVW7vRze4b7Cq4se7kKWs"]
      const forms = [
        `Bot ${id}.${time}.${signature}`,
        `"${id}.${time}.${signature}"`,
        `${id}%2E${time}%2E${signature}`,
        `${id},${time},${signature}`,
        `${id}.${time}.\n${signature}`,
        `DISCORD_TOKEN=${id}.${time}.${signature}`,
        `mfa.${signature}${signature}${signature}`,
        signature
      ]
      for (const name of ["DISCORD_INTENTS", "DISCORD_SHARDS", "DISCORD_COMPRESSION", "DISCORD_API_URL"]) {
        for (const form of forms) {
          const error = yield* Effect.flip(fromEnvironment({ DISCORD_TOKEN: "another-token", [name]: form }))
          assert.include(error.message, name)
          for (const part of [id, signature]) assert.notInclude(shownBy(error), part, `${name}=${form}`)
        }
      }
    })
  )

  it.effect("does not hide what is no token", () =>
    Effect.gen(function* () {
      const { message } = yield* refusal({ gatewayUrl: "gateway.discord.gg" })
      assert.include(message, '"gateway.discord.gg"')
      const intents = yield* refusal({ intents: "GUILD_MESSAGE_REACTION_ADD_2" })
      assert.include(intents.message, "GUILD_MESSAGE_REACTION_ADD_2")
    })
  )
})
