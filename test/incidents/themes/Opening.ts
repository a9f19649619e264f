/**
 * From the first request to the first event.
 */
import * as Effect from "effect/Effect"
import { Act, Fault } from "../../../src/testing.ts"
import type { Theme } from "../Incident.ts"
import { framesOf } from "../Wire.ts"

/** Dials of the last ten seconds that a client with a backoff stays below: two a second would be twenty. */
const mostDials = 15

export const opening: Theme = {
  title: "Opening a connection",
  incidents: [
    {
      id: "op7-instead-of-hello",
      sources: ["hikari-py/hikari#1867", "DisnakeDev/disnake#1155", "Remora/Remora.Discord#328"],
      discord: "A gateway node that drains sends Reconnect (op 7) instead of HELLO.",
      client: "Dial again, and begin the session there.",
      happen: (stage) =>
        Effect.andThen(stage.discord.faults.inject(Fault.hello(Act.reconnect, { times: 1 })), stage.ready)
    },
    {
      id: "op7-before-hello",
      sources: ["hikari-py/hikari#1867"],
      discord: "Reconnect (op 7) comes just before HELLO, on the connection that is to resume.",
      client: "Resume, here or on the next connection.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.discord.faults.inject(Fault.hello(Act.reconnect, { times: 1, when: "before" }))
          yield* stage.resumes(stage.act(Act.drop))
        })
    },
    {
      id: "no-hello",
      sources: [
        "Rapptz/discord.py#501",
        "nextsnake/nextcore#243",
        "gabrielkoerich/orch#2548",
        "openclaw/openclaw#13688"
      ],
      discord: "The WebSocket opens, and HELLO never comes.",
      client: "Give the connection up in finite time and dial again.",
      happen: (stage) => Effect.andThen(stage.discord.faults.inject(Fault.hello(Act.mute, { times: 1 })), stage.ready)
    },
    {
      id: "silent-after-hello",
      sources: ["discordjs/discord.js#9275", "discordjs/discord.js#8759"],
      discord: "HELLO comes, and then nothing: neither READY nor an acknowledgement.",
      client: "Take the unacknowledged heartbeat for a dead connection and dial again.",
      happen: (stage) =>
        Effect.andThen(stage.discord.faults.inject(Fault.hello(Act.mute, { times: 1, when: "after" })), stage.ready)
    },
    {
      id: "upgrade-never-answered",
      sources: ["gabrielkoerich/orch#2548", "discordjs/discord.js#3085"],
      discord: "The TCP connection is accepted, and the upgrade is never answered.",
      client: "Give the dial up in finite time and try again.",
      happen: (stage) => Effect.andThen(stage.discord.faults.inject(Fault.dial("ignore", { times: 1 })), stage.ready)
    },
    {
      id: "dial-refused-at-start",
      sources: ["discordjs/discord.js#2124", "CorwinDev/Discord-Bot#221", "Dragory/modmailbot#392"],
      discord: "The first three dials of a new process are refused.",
      client: "Go on dialling; the process does not end.",
      happen: (stage) => Effect.andThen(stage.discord.faults.inject(Fault.dial("refuse", { times: 3 })), stage.ready)
    },
    {
      id: "upgrade-refused-520",
      sources: ["discord/discord-api-docs#7016", "hikari-py/hikari#90"],
      discord: "Cloudflare answers the upgrade of a resuming client with status 520, three times.",
      client: "Dial again, and resume.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.discord.faults.inject(Fault.dial({ status: 520 }, { times: 3 }))
          yield* stage.resumes(stage.act(Act.drop))
        })
    },
    {
      id: "upgrade-503-hammered",
      sources: ["discordjs/discord.js#11626", "Rapptz/discord.py#10511"],
      discord: "The upgrade is answered by 503 for half a minute.",
      client: "Slow down: fewer than 15 dials in the last ten seconds. Then come back.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          const fault = Fault.dial({ status: 503 })
          yield* stage.discord.faults.inject(fault)
          yield* stage.act(Act.drop)
          yield* stage.still("10 seconds", () => undefined)
          yield* stage.check(({ dials, now }) => {
            const late = dials.filter(({ at }) => at > now - 5000).length
            return late * 2 > mostDials ? `it dials ${late} times in five seconds, without a backoff` : undefined
          })
          const since = yield* stage.before
          yield* stage.discord.faults.lift(fault)
          yield* stage.up(since)
          yield* stage.flows
        })
    },
    {
      id: "accepted-then-closed",
      sources: ["discord/discord-api-docs#1023", "openclaw/openclaw#11836", "openclaw/openclaw#78910"],
      discord: "Each connection is accepted, and closed with 1011 before HELLO.",
      client: "Slow down: that a WebSocket opens does not reset the backoff.",
      happen: (stage) =>
        Effect.gen(function* () {
          const fault = Fault.hello(Act.close(1011))
          yield* stage.discord.faults.inject(fault)
          yield* stage.until(({ counts }) => counts.connections >= 1, "it does not dial")
          yield* stage.still("10 seconds", () => undefined)
          yield* stage.check(({ dials, now }) => {
            const late = dials.filter(({ at }) => at > now - 5000).length
            return late * 2 > mostDials ? `it dials ${late} times in five seconds, without a backoff` : undefined
          })
          yield* stage.discord.faults.lift(fault)
          yield* stage.ready
        })
    },
    {
      id: "directory-503",
      sources: ["thenfour/digifujam#247", "DiscordPP/discordpp#37"],
      discord: "GET /gateway/bot is answered by 503, four times.",
      client: "Ask again until it is answered; the process does not end.",
      needs: ["directory"],
      happen: (stage) =>
        Effect.andThen(stage.discord.faults.inject(Fault.http({ status: 503 }, { times: 4 })), stage.ready)
    },
    {
      id: "directory-malformed",
      sources: ["openclaw/openclaw#98845", "DiscordPP/discordpp#37"],
      discord: "GET /gateway/bot is answered by status 200 with half of a JSON text, once.",
      client: "Ask again.",
      needs: ["directory"],
      happen: (stage) => Effect.andThen(stage.discord.faults.inject(Fault.http("malformed", { times: 1 })), stage.ready)
    },
    {
      id: "directory-429",
      sources: ["discord/discord-api-docs#1569"],
      discord: "GET /gateway/bot is answered by 429 with a Retry-After of two seconds.",
      client: "Wait for the two seconds, and ask again.",
      needs: ["directory"],
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.discord.faults.inject(Fault.http({ status: 429, retryAfter: "2 seconds" }, { times: 1 }))
          yield* stage.ready
          yield* stage.check(({ requests }) => {
            const [first, second] = requests
            return first !== undefined && second !== undefined && second.at - first.at < 1900
              ? "it asks again before the Retry-After is over"
              : undefined
          })
        })
    },
    {
      id: "ready-late",
      sources: ["discord/discord-api-docs#30", "discordjs/discord.js#3956", "discordjs/discord.js#7191"],
      discord: "In an outage READY comes 20 seconds after IDENTIFY. Heartbeats are acknowledged.",
      client: "Wait: each IDENTIFY in between costs one of the day's.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.discord.faults.inject(Fault.identify(Fault.late("20 seconds"), { times: 1 }))
          yield* stage.ready
          yield* stage.check((wire) =>
            framesOf(wire, [2]).length > 1
              ? "it gives the connection up, though heartbeats are acknowledged, and sends IDENTIFY again"
              : undefined
          )
        })
    },
    {
      id: "lost-before-ready",
      sources: ["discord/discord-api-docs#254", "discord/discord-api-docs#1328"],
      discord: "The connection is lost between IDENTIFY and READY.",
      client: "Begin again, but not within five seconds of the first IDENTIFY, which Discord has counted.",
      happen: (stage) =>
        Effect.andThen(stage.discord.faults.inject(Fault.identify(Act.drop, { times: 1 })), stage.ready)
    },
    {
      id: "op7-instead-of-ready",
      sources: ["discord/discord-api-docs#7571", "DSharpPlus/DSharpPlus#2455"],
      discord: "Reconnect (op 7) is the answer to IDENTIFY.",
      client: "Begin again, but not within five seconds of the first IDENTIFY.",
      happen: (stage) =>
        Effect.andThen(stage.discord.faults.inject(Fault.identify(Act.reconnect, { times: 1 })), stage.ready)
    }
  ]
}
