/**
 * Payloads that a client does not expect.
 */
import * as Effect from "effect/Effect"
import { snowflake } from "../../../src/simulator/Snowflakes.ts"
import { Act } from "../../../src/testing.ts"
import type { Theme } from "../Incident.ts"

export const payloads: Theme = {
  title: "Payloads",
  incidents: [
    {
      id: "malformed-json",
      sources: ["discordjs/discord.js#407", "discordjs/discord.js#3083", "DSharpPlus/DSharpPlus#2455"],
      discord: "A message is half of a JSON text.",
      client: "Go on, or resume; the process does not end.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.discord.sendRaw(`{"op":0,"t":"MESSAGE_CREATE","s":`)
          yield* stage.still("1 second", () => undefined)
          yield* stage.up()
          yield* stage.flows
        })
    },
    {
      id: "corrupt-compression",
      sources: ["discord-php/DiscordPHP#1321", "DSharpPlus/DSharpPlus#2015", "dolfies/discord.py-self#565"],
      discord: "A binary message is neither the compressed stream nor JSON.",
      client: "Go on, or resume; the process does not end.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.discord.sendRaw(Uint8Array.from([1, 2, 3, 4, 0x00, 0x00, 0xff, 0xff]))
          yield* stage.still("1 second", () => undefined)
          yield* stage.up()
          yield* stage.flows
        })
    },
    {
      id: "compression-after-a-reconnect",
      sources: ["abalabahaha/eris#1364", "vbe0201/Shitcord#17"],
      discord: "Three connections are lost while events come; each has a compressed stream of its own.",
      client: "Begin a new stream with each connection.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          for (let n = 0; n < 3; n++) {
            for (let m = 0; m < 20; m++) yield* stage.send
            yield* stage.act(Act.reconnect)
            yield* stage.send
            yield* stage.flows
          }
        })
    },
    {
      id: "unknown-opcode",
      sources: ["Discord4J/Discord4J#635", "BinkanSalaryman/Discord-Audio-Stream-Bot#3"],
      discord: "A payload has an opcode that is not documented.",
      client: "Ignore it.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.discord.sendRaw(`{"op":99,"d":{"a":1},"s":null,"t":null}`)
          yield* stage.flows
          yield* stage.check(({ counts }) => (counts.connections > 1 ? "it reconnects because of it" : undefined))
        })
    },
    {
      id: "unknown-event",
      sources: ["discord-net/Discord.Net#2899", "cee-studio/orca#6", "maddinat0r/samp-discord-connector#127"],
      discord: "An event has a name that is not documented.",
      client: "Go on.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.discord.dispatch("SOMETHING_NEW", { value: 1 })
          yield* stage.flows
          yield* stage.check(({ counts }) => (counts.connections > 1 ? "it reconnects because of it" : undefined))
        })
    },
    {
      id: "large-message",
      sources: ["mk-fg/reliable-discord-client-irc-daemon#7", "vsTerminus/Discord-NP#1", "chojs23/concord#35"],
      discord: "A message of 18 MB, as the largest guilds have.",
      client: "Take it, and go on.",
      // Its acknowledgements wait behind the message.
      options: { heartbeatInterval: "10 seconds" },
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.discord.dispatch("INTERACTION_METADATA", { data: "x".repeat(18_000_000) })
          yield* stage.flows
          yield* stage.check(({ counts }) => (counts.connections > 1 ? "it loses its connection by it" : undefined))
        })
    },
    {
      id: "null-where-there-was-a-value",
      sources: ["discord-jda/JDA#514", "discord-haskell/discord-haskell#79"],
      discord: "An event has null where the documentation has a string: an emoji without a name.",
      client: "Go on.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.discord.dispatch("GUILD_EMOJIS_UPDATE", {
            guild_id: snowflake(0),
            emojis: [{ id: "1", name: null }]
          })
          yield* stage.flows
        })
    }
  ]
}
