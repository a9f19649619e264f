/**
 * Sessions that end, and those that Discord does not let begin.
 */
import * as Effect from "effect/Effect"
import { Act, Fault } from "../../../src/testing.ts"
import type { Incident, Theme } from "../Incident.ts"
import { field, framesOf, resumed } from "../Wire.ts"

/** A close code at IDENTIFY after which nothing helps but a change by the bot's owner. */
const fatal = (
  described: Pick<Incident, "id" | "sources" | "discord" | "options" | "shards">,
  fault?: Fault.Fault
): Incident => ({
  ...described,
  client: "Tell, and never dial again.",
  happen: (stage) =>
    Effect.gen(function* () {
      if (fault !== undefined) yield* stage.discord.faults.inject(fault)
      yield* stage.until((wire) => framesOf(wire, [2]).length > 0, "it does not send IDENTIFY")
      yield* stage.still("500 millis", () => undefined)
      yield* stage.quiet("8 seconds", "it dials again, though nothing can come of it")
    })
})

export const sessions: Theme = {
  title: "Sessions that end",
  incidents: [
    {
      id: "op9-after-resume",
      sources: ["bwmarrin/discordgo#544", "cee-studio/orca#95", "Rapptz/discord.py#544"],
      discord: "The session is over: RESUME is answered by op 9, not resumable.",
      client: "Drop the session, wait for a second at least, and send IDENTIFY.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.mayIdentify
          yield* stage.identifies(Effect.andThen(stage.discord.endSessions(), stage.act(Act.drop)))
          yield* stage.check((wire) => {
            const [resume] = framesOf(wire, [6])
            const identify = framesOf(wire, [2]).at(-1)
            return resume !== undefined && identify !== undefined && identify.at - resume.at < 900
              ? "it sends IDENTIFY at once, without the wait of 1 to 5 seconds"
              : undefined
          })
        })
    },
    {
      id: "op9-in-mid-session",
      sources: ["discordjs/discord.js#7113", "CRBT-Team/Purplet#42"],
      discord: "Op 9, not resumable, in the middle of a session.",
      client: "Send IDENTIFY after a second at least.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.mayIdentify
          const at = (yield* stage.before).at
          yield* stage.identifiesHere(stage.act(Act.invalidSession(false)))
          yield* stage.check((wire) => {
            const identify = framesOf(wire, [2]).at(-1)
            return identify !== undefined && identify.at - at < 900
              ? "it sends IDENTIFY at once, without the wait of 1 to 5 seconds"
              : undefined
          })
        })
    },
    {
      id: "op9-resumable",
      sources: ["discord/discord-api-docs#244", "discord/discord-api-docs#314", "CRBT-Team/Purplet#42"],
      discord: "Op 9 that says that the session can be resumed (an internal netsplit).",
      client: "Resume it, on this connection or the next.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.mayIdentify
          const since = yield* stage.before
          yield* stage.act(Act.invalidSession(true))
          yield* stage.until((wire) => framesOf(wire, [2, 6]).length > 1, "it does not start again")
          yield* stage.up()
          yield* stage.check((wire) => {
            const again = framesOf(wire, [2, 6]).at(1)
            if (again?.op === 2) return "it sends IDENTIFY, though its session can be resumed"
            return again !== undefined && !since.sessions.has(String(field(again, "session_id")))
              ? "it resumes a session that it did not have"
              : undefined
          })
          yield* stage.flows
        })
    },
    {
      id: "resume-answered-by-op9-resumable",
      sources: ["nyxx-discord/nyxx#592", "discord/discord-api-docs#244"],
      discord: "RESUME is answered by op 9, resumable, twice.",
      client: "Resume again.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.mayIdentify
          yield* stage.discord.faults.inject(Fault.resume(Act.invalidSession(true), { times: 2 }))
          yield* stage.resumes(stage.act(Act.drop))
        })
    },
    {
      id: "op9-instead-of-ready",
      sources: ["discord/discord-api-docs#254", "sm00th/bitlbee-discord#159"],
      discord: "IDENTIFY is answered by op 9.",
      client: "Send IDENTIFY again, five seconds after the first at the least.",
      happen: (stage) =>
        Effect.andThen(
          stage.discord.faults.inject(Fault.identify(Act.invalidSession(false), { times: 1 })),
          stage.ready
        )
    },
    {
      id: "op9-forever",
      sources: ["BitQuote/AwesomeBot#117", "abalabahaha/eris#255", "anthropics/claude-plugins-official#3140"],
      discord: "IDENTIFY is answered by op 9 for 16 seconds.",
      client: "At most one IDENTIFY in five seconds; then come up.",
      happen: (stage) =>
        Effect.gen(function* () {
          const fault = Fault.identify(Act.invalidSession(false))
          yield* stage.discord.faults.inject(fault)
          yield* stage.until((wire) => framesOf(wire, [2]).length > 0, "it does not send IDENTIFY")
          yield* stage.still("16 seconds", ({ counts }) =>
            counts.identifyViolations > 0 ? "it sends IDENTIFY less than 5 seconds after the one before" : undefined
          )
          yield* stage.discord.faults.lift(fault)
          yield* stage.ready
        })
    },
    {
      id: "invalid-seq",
      sources: ["discord/discord-api-docs#1209", "Ermianr/moon-discord#27"],
      discord: "RESUME is answered by a close with 4007 (invalid seq).",
      client: "Begin a new session, instead of the same RESUME again.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.mayIdentify
          yield* stage.discord.faults.inject(Fault.resume(Act.close(4007, "?"), { times: 1 }))
          yield* stage.identifies(stage.act(Act.drop))
        })
    },
    {
      id: "session-timed-out",
      sources: ["discordjs/discord.js#11601", "Ermianr/moon-discord#27"],
      discord: "A close with 4009 (session timed out).",
      client: "Come back with a new session, by way of a RESUME or without.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.mayIdentify
          yield* stage.identifies(stage.act(Act.close(4009, "?")))
        })
    },
    {
      id: "closed-4003",
      sources: ["SinisterRectus/Discordia#317", "discord-haskell/discord-haskell#62", "discord/discord-api-docs#6970"],
      discord: "A close with 4003 (not authenticated) in the middle of a session.",
      client: "Come back.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.mayIdentify
          yield* stage.identifies(stage.act(Act.close(4003, "?")))
        })
    },
    {
      id: "new-session-after-an-old-one",
      sources: ["andersfylling/disgord#12", "vellum-ai/vellum-assistant#39266"],
      discord: "A session ends; a new one begins, with sequences from 1 again. Then the connection is lost.",
      client: "Resume the new session from its own sequence, not from the old one's.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          for (let n = 0; n < 10; n++) yield* stage.send
          yield* stage.flows
          yield* stage.mayIdentify
          yield* stage.identifies(Effect.andThen(stage.discord.endSessions(), stage.act(Act.drop)))
          const since = yield* stage.before
          yield* stage.act(Act.drop)
          yield* stage.up(since)
          yield* stage.check((wire) => resumed(wire, since))
          yield* stage.flows
        })
    },
    fatal(
      {
        id: "authentication-failed",
        sources: ["openclaw/openclaw#58321", "discord-net/Discord.Net#351"],
        discord: "IDENTIFY is answered by 4004 (authentication failed)."
      },
      Fault.identify(Act.close(4004, "Authentication failed."))
    ),
    {
      id: "token-reset-while-running",
      sources: ["discordjs/discord.js#9661", "bwmarrin/discordgo#1544", "Rapptz/discord.py#4027"],
      discord: "The token is reset: the connection is closed with 4004.",
      client: "Tell, and never dial again.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.act(Act.close(4004, "Authentication failed."))
          yield* stage.still("200 millis", () => undefined)
          yield* stage.quiet("8 seconds", "it dials again with a token that Discord refuses")
        })
    },
    {
      id: "unauthorized",
      sources: ["Remora/Remora.Discord#99", "discord/discord-api-docs#1555"],
      discord: "GET /gateway/bot is answered by 401.",
      client: "Tell, and stop: 10,000 such answers in ten minutes get the address banned.",
      needs: ["directory"],
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.discord.faults.inject(Fault.http({ status: 401 }))
          yield* stage.until(({ counts }) => counts.httpRequests > 0, "it does not ask")
          yield* stage.still("10 seconds", ({ counts }) =>
            counts.httpRequests > 3 ? "it asks again and again with a token that Discord refuses" : undefined
          )
        })
    },
    fatal({
      id: "disallowed-intents",
      sources: ["discord-net/Discord.Net#1600", "Discord4J/Discord4J#656", "discordjs/discord.js#3871"],
      discord: "IDENTIFY is answered by 4014: an intent is not enabled.",
      options: { disallowedIntents: ["GUILD_MEMBERS"] }
    }),
    fatal(
      {
        id: "invalid-intents",
        sources: ["DSharpPlus/DSharpPlus#687", "discordjs/discord.js#3871"],
        discord: "IDENTIFY is answered by 4013 (invalid intents)."
      },
      Fault.identify(Act.close(4013, "Invalid intent(s)."))
    ),
    fatal({
      id: "sharding-required",
      sources: ["vsTerminus/Mojo-Discord#18", "gabrielkoerich/orch#950"],
      discord: "IDENTIFY is answered by 4011 (sharding required).",
      options: { shardingRequired: 2 }
    }),
    fatal(
      {
        id: "invalid-shard",
        sources: ["DSharpPlus/DSharpPlus#2046", "gabrielkoerich/orch#950"],
        discord: "IDENTIFY is answered by 4010 (invalid shard)."
      },
      Fault.identify(Act.close(4010, "Invalid shard."))
    )
  ]
}
