// Tests the whole bot: its real parts on a simulated Discord, and a journal in memory.
import { assert, it } from "@effect/vitest"
import { GatewayConfig, GatewayLive } from "disruption-gateway"
import { DiscordSimulator, sampleEvent } from "disruption-gateway/testing"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { bot } from "./Bot.js"
import { GuildNames } from "./GuildNames.js"
import { Journal } from "./Journal.js"

const TestDiscord = GatewayLive.pipe(
  Layer.provide(GatewayConfig.layer({ token: "simulated-token" })),
  Layer.provideMerge(DiscordSimulator.layerWith({ guilds: 1 }))
)

it.effect("writes messages with the names that their guilds have at that moment", () =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const InMemory = Layer.succeed(Journal, { write: (line) => Effect.sync(() => void lines.push(line)) })
    const discord = yield* DiscordSimulator
    const running = yield* Effect.forkChild(Effect.provide(bot, [GuildNames.layer, InMemory]))
    yield* TestClock.adjust("1 second")

    const message = sampleEvent("MESSAGE_CREATE", { author: { username: "ada" } })
    yield* discord.dispatch("MESSAGE_CREATE", message)
    yield* discord.dispatch("GUILD_UPDATE", sampleEvent("GUILD_UPDATE", { name: "The Tea Room" }))
    yield* discord.dispatch("MESSAGE_CREATE", message)
    yield* discord.dispatch("MESSAGE_CREATE", { ...message, guild_id: "1" })
    yield* TestClock.adjust("1 second")

    const { name } = sampleEvent("GUILD_CREATE")
    assert.deepStrictEqual(lines, [`${name}: ada wrote`, "The Tea Room: ada wrote", "somewhere: ada wrote"])
    assert.isUndefined(running.pollUnsafe(), "the bot has ended")
  }).pipe(Effect.provide(TestDiscord))
)
