import { assert, describe, it } from "@effect/vitest"
import { ApplicationFlags } from "discord-api-types/v10"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { diagnose } from "../../src/cli/Diagnosis.ts"
import type { Finding } from "../../src/cli/Finding.ts"
import type { IntentsInput } from "../../src/schema/Intents.ts"
import { GatewayConfig, type GatewayOptions } from "../../src/services/GatewayConfig.ts"
import { GatewayDirectory } from "../../src/services/GatewayDirectory.ts"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import type { MemoryOptions } from "../../src/simulator/SimulatorOptions.ts"

/** What a doctor says of a bot with these options, on a simulated Discord or on what stands between. */
const examine = (
  config: Partial<GatewayOptions>,
  simulator: MemoryOptions = {},
  between: (client: HttpClient.HttpClient) => HttpClient.HttpClient = (client) => client,
  takes: Duration.Input = "1 minute"
) =>
  Effect.gen(function* () {
    const running = yield* Effect.forkChild(diagnose)
    yield* TestClock.adjust(takes)
    const findings = yield* Fiber.join(running)
    const { connections, identifies } = yield* (yield* DiscordSimulator).counts
    assert.deepStrictEqual({ connections, identifies }, { connections: 0, identifies: 0 })
    assert.notInclude(JSON.stringify(findings), "simulated-token")
    return findings
  }).pipe(
    Effect.provide(
      GatewayDirectory.layer.pipe(
        Layer.provideMerge(GatewayConfig.layer({ token: "simulated-token", ...config })),
        Layer.provideMerge(Layer.effect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, between))),
        Layer.provideMerge(DiscordSimulator.layerWith(simulator))
      )
    )
  )

const levels = (findings: ReadonlyArray<Finding>) => findings.map(({ check, level }) => `${check} ${level}`)

const textOf = (findings: ReadonlyArray<Finding>, check: Finding["check"]) =>
  findings.find((finding) => finding.check === check)?.text ?? ""

/** Discord's answer to GET /applications/@me with other fields. */
const withApplication = (fields: object) => (client: HttpClient.HttpClient) =>
  HttpClient.make((request, url) =>
    url.pathname.endsWith("/applications/@me")
      ? Effect.succeed(
          HttpClientResponse.fromWeb(request, Response.json({ id: "1", name: "bot", flags: 0, ...fields }))
        )
      : client.execute(request)
  )

/** Discord's answer to GET /gateway/bot. */
const directory = {
  url: "wss://gateway.discord.gg",
  shards: 1,
  session_start_limit: { total: 1000, remaining: 1000, reset_after: 0, max_concurrency: 1 }
}

const needed: IntentsInput = ["GUILDS", "GUILD_MESSAGES", "MESSAGE_CONTENT"]

describe("doctor", () => {
  it.effect("finds nothing wrong with a good bot, and connects nowhere", () =>
    Effect.gen(function* () {
      const findings = yield* examine({ intents: needed })
      assert.deepStrictEqual(levels(findings), [
        "token fine",
        "intents fine",
        "shards fine",
        "budget fine",
        "clock fine"
      ])
      assert.include(textOf(findings, "token"), '"simulated-bot"')
      assert.include(textOf(findings, "budget"), "1000 of the day's 1000 IDENTIFYs are left, new ones come in 1 d")
    })
  )

  it.effect("tells which privileged intents are asked for and not enabled, and where to enable them", () =>
    Effect.gen(function* () {
      const intents = [...needed, "GUILD_MEMBERS", "GUILD_PRESENCES"] as const
      const findings = yield* examine({ intents }, { disallowedIntents: ["MESSAGE_CONTENT", "GUILD_PRESENCES"] })
      assert.include(levels(findings), "intents wrong")
      const text = textOf(findings, "intents")
      assert.match(text, /^GUILD_PRESENCES, MESSAGE_CONTENT are asked for, but not enabled.*4014.*Developer Portal/)
      assert.notInclude(text, "GUILD_MEMBERS")
    })
  )

  const enabled: ReadonlyArray<readonly [IntentsInput, ApplicationFlags]> = [
    [["GUILD_PRESENCES"], ApplicationFlags.GatewayPresence],
    [["GUILD_PRESENCES"], ApplicationFlags.GatewayPresenceLimited],
    [["GUILD_MEMBERS"], ApplicationFlags.GatewayGuildMembers],
    [["GUILD_MEMBERS"], ApplicationFlags.GatewayGuildMembersLimited],
    [["MESSAGE_CONTENT"], ApplicationFlags.GatewayMessageContent],
    [["MESSAGE_CONTENT"], ApplicationFlags.GatewayMessageContentLimited]
  ]
  for (const [intents, flag] of enabled) {
    it.effect(`knows ${String(intents)} by the flag ${ApplicationFlags[flag]}`, () =>
      Effect.gen(function* () {
        assert.include(levels(yield* examine({ intents }, {}, withApplication({ flags: flag }))), "intents fine")
        assert.include(levels(yield* examine({ intents }, {}, withApplication({ flags: 0 }))), "intents wrong")
      })
    )
  }

  it.effect("says that messages will have no content where the intent is not asked for", () =>
    Effect.gen(function* () {
      const findings = yield* examine({ intents: ["GUILDS", "GUILD_MESSAGES"] })
      assert.include(levels(findings), "intents advice")
      assert.match(textOf(findings, "intents"), /without their content.*: add it to DISCORD_INTENTS$/)
    })
  )

  it.effect("tells a wrong token apart, an address that is none of Discord's, and a Discord that is down", () =>
    Effect.gen(function* () {
      const wrong = yield* examine({ token: "wrong" })
      assert.deepStrictEqual(levels(wrong), ["token wrong"])
      assert.include(textOf(wrong, "token"), "Reset Token")
      const page = (status: number) => (client: HttpClient.HttpClient) =>
        HttpClient.make((request) =>
          client.execute(request).pipe(Effect.as(HttpClientResponse.fromWeb(request, new Response("", { status }))))
        )
      assert.include(textOf(yield* examine({}, {}, page(404)), "connection"), "DISCORD_API_URL")
      assert.deepStrictEqual(levels(yield* examine({}, {}, page(503))), ["connection wrong"])
    })
  )

  it.effect("compares the shards with what Discord recommends, and with what it enforces", () =>
    Effect.gen(function* () {
      const few = yield* examine({ shards: 2 }, { shards: 4 })
      assert.include(levels(few), "shards advice")
      assert.include(textOf(few, "shards"), "Discord recommends 4")
      assert.include(levels(yield* examine({ shards: "auto" }, { shards: 4 })), "shards fine")
      const tooFew = yield* examine({ shards: 2 }, { shards: 4 }, withApplication({ approximate_guild_count: 9000 }))
      assert.include(levels(tooFew), "shards wrong")
      assert.match(textOf(tooFew, "shards"), /9000 guilds.*4011.*auto, or to 4/)
    })
  )

  it.effect("says what is left of the day's IDENTIFYs, and when a start would wait for new ones", () =>
    Effect.gen(function* () {
      const left = (remaining: number) =>
        ({ sessionStartLimit: { total: 1000, remaining, resetAfter: "5 hours" } }) as const
      assert.include(levels(yield* examine({}, left(200))), "budget advice")
      const none = yield* examine({ shards: 4 }, left(12))
      assert.include(levels(none), "budget wrong")
      assert.match(textOf(none, "budget"), /^12 of the day's 1000 .*in 5 h\. A start takes 4, and 10 stay untouched/)
    })
  )

  it.effect("finds a clock that is off by what Discord's answers say", () =>
    Effect.gen(function* () {
      const dated = (date: string) => () =>
        HttpClient.make((request, url) =>
          Effect.succeed(
            HttpClientResponse.fromWeb(
              request,
              Response.json(url.pathname.endsWith("@me") ? { id: "1", name: "bot", flags: 0 } : directory, {
                headers: { date }
              })
            )
          )
        )
      const behind = yield* examine({}, {}, dated("Thu, 01 Jan 1970 01:00:00 GMT"), 0)
      assert.include(levels(behind), "clock advice")
      assert.match(textOf(behind, "clock"), /^it is 1 h 1 s behind Discord.s/)
      assert.include(levels(yield* examine({}, {}, dated("Thu, 01 Jan 1970 00:00:00 GMT"), 0)), "clock fine")
    })
  )

  it.effect("goes on where the application cannot be asked for", () =>
    Effect.gen(function* () {
      const refused = (client: HttpClient.HttpClient) =>
        HttpClient.make((request, url) =>
          url.pathname.endsWith("@me")
            ? Effect.succeed(HttpClientResponse.fromWeb(request, new Response("", { status: 500 })))
            : client.execute(request)
        )
      const findings = yield* examine({}, {}, refused)
      assert.deepStrictEqual(levels(findings), [
        "token fine",
        "intents advice",
        "shards fine",
        "budget fine",
        "clock advice"
      ])
    })
  )
})
