/**
 * What breaks a connection, after which the session can be resumed.
 */
import * as Effect from "effect/Effect"
import { Act, Fault } from "../../../src/testing.ts"
import type { Incident, Theme } from "../Incident.ts"
import { framesOf, resumed } from "../Wire.ts"

type Described = Pick<Incident, "id" | "sources" | "discord">

/** Discord ends the connection somehow, and the session can be resumed. */
const lost = (act: Act.Act, described: Described): Incident => ({
  ...described,
  client: "Resume, and lose nothing.",
  happen: (stage) =>
    Effect.andThen(
      stage.ready,
      stage.resumes(
        Effect.gen(function* () {
          yield* stage.act(act)
          yield* stage.send
        })
      )
    )
})

export const resuming: Theme = {
  title: "Resuming",
  incidents: [
    lost(Act.reconnect, {
      id: "op7",
      sources: ["cee-studio/orca#2", "vsTerminus/Mojo-Discord#17", "discord/discord-api-docs#1472"],
      discord: "Reconnect (op 7)."
    }),
    lost(Act.drop, {
      id: "tcp-reset",
      sources: ["discordjs/discord.js#1344", "openclaw/openclaw#99681", "LakeYS/Discord-Trivia-Bot#160"],
      discord: "The TCP connection is reset, which clients see as 1006."
    }),
    lost(Act.close(4000, "Unknown error."), {
      id: "closed-4000",
      sources: ["discord/discord-api-docs#4376"],
      discord: "A close with 4000."
    }),
    lost(Act.close(1000), {
      id: "closed-1000",
      sources: ["discordjs/discord.js#3213", "vellum-ai/vellum-assistant#39266", "discord/discord-api-docs#2922"],
      discord: "A close with 1000 by Discord, or by a proxy on the way."
    }),
    lost(Act.close(1001), {
      id: "closed-1001",
      sources: ["discordjs/discord.js#3213", "vellum-ai/vellum-assistant#39266"],
      discord: "A close with 1001 by a node that goes away."
    }),
    lost(Act.close(), {
      id: "closed-without-a-code",
      sources: ["DSharpPlus/DSharpPlus#2455", "openclaw/openclaw#54682", "openclaw/openclaw#13688"],
      discord: "A close without a code, which clients see as 1005."
    }),
    lost(Act.close(4900, "?"), {
      id: "closed-with-an-unknown-code",
      sources: ["discord/discord-api-docs#1209"],
      discord: "A close with a code that is not documented."
    }),
    lost(Act.close(4008, "Slow down"), {
      id: "closed-4008",
      sources: ["discord/discord-api-docs#7172"],
      discord: "A close with 4008 (rate limited)."
    }),
    {
      id: "resume-url",
      sources: ["discord/discord-api-docs#5282", "DisnakeDev/disnake#769", "ClassiCube/MCGalaxy#761"],
      discord: "READY names a URL for RESUME. Three connections are lost one after another.",
      client: "Resume at that URL each time, also after the first RESUMED, which does not repeat it.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          for (let n = 0; n < 3; n++) yield* stage.resumes(stage.act(Act.drop))
          yield* stage.check((wire) =>
            framesOf(wire, [6]).some(({ connection }) => connection.host === "main")
              ? "it resumes at the main URL, not at the one that READY names"
              : undefined
          )
        })
    },
    {
      id: "resume-host-dead",
      sources: ["twilight-rs/twilight#1942", "Rapptz/discord.py#10511", "discord/discord-api-docs#5323"],
      discord: "The host for RESUME refuses every dial. The main one works.",
      client: "Fall back to the main URL.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.discord.faults.inject(Fault.dial("refuse", { host: "resume" }))
          const since = yield* stage.before
          yield* stage.act(Act.drop)
          yield* stage.up(since)
          yield* stage.flows
        })
    },
    {
      id: "refused-dial",
      sources: ["discordjs/discord.js#10382", "discordjs/discord.js#5416", "discordeno/discordeno#3907"],
      discord: "A connection is lost, and the next dial is refused.",
      client: "Dial again, and resume: the session is still there.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.discord.faults.inject(Fault.dial("refuse", { times: 1 }))
          yield* stage.resumes(stage.act(Act.drop))
        })
    },
    {
      id: "network-down",
      sources: ["museofficial/muse#505", "discordjs/discord.js#699", "cameroncros/OctoPrint-DiscordRemote#10"],
      discord: "The network is away for 12 seconds.",
      client: "Keep the session, dial no more than 20 times, resume, and lose nothing.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          const fault = Fault.dial("refuse")
          const since = yield* stage.before
          yield* stage.discord.faults.inject(fault)
          yield* stage.act(Act.drop)
          const missed = yield* stage.send
          yield* stage.still("12 seconds", () => undefined)
          yield* stage.check(({ counts }) => {
            const dials = counts.dials - since.dials
            return dials > 20 ? `it dials ${dials} times in 12 seconds` : undefined
          })
          yield* stage.discord.faults.lift(fault)
          yield* stage.up(since)
          yield* stage.check((wire) => resumed(wire, since))
          yield* stage.delivers(missed)
        })
    },
    {
      id: "lost-while-resuming",
      sources: ["discordeno/discordeno#3907", "discordeno/discordeno#4017"],
      discord: "RESUME is answered by a lost connection, twice.",
      client: "Resume again: nothing says that the session is over.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.discord.faults.inject(Fault.resume(Act.drop, { times: 2 }))
          yield* stage.resumes(stage.act(Act.drop))
        })
    },
    {
      id: "lost-after-resumed",
      sources: ["discordjs/discord.js#2702", "openclaw/openclaw#78910"],
      discord: "The connection is lost right after a replay of twenty events.",
      client: "Resume from the last event that came; deliver each once, in order.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.discord.faults.inject(Fault.resume(Act.drop, { times: 1, when: "after" }))
          yield* stage.act(Act.drop)
          for (let n = 0; n < 19; n++) yield* stage.send
          const last = yield* stage.send
          yield* stage.delivers(last)
          yield* stage.check(({ lines }) => {
            const marks = lines.filter(({ content }) => content?.startsWith("mark-") === true).length
            return marks === 21 ? undefined : `it delivers ${marks} of 21 events`
          })
          yield* stage.check((wire) =>
            framesOf(wire, [2]).length > 1 ? "it sends IDENTIFY, though its session can be resumed" : undefined
          )
        })
    },
    {
      id: "resume-answered-by-1006-then-op9",
      sources: ["discord/discord-api-docs#1619", "openclaw/openclaw#20668", "openclaw/openclaw#14331"],
      discord: "Each RESUME is answered by a lost connection; after four, by op 9.",
      client: "Come back with a session of its own, and keep the limits on the way.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          const since = yield* stage.before
          yield* stage.discord.faults.inject(
            Fault.resume(Act.drop, { times: 4 }),
            Fault.resume(Act.invalidSession(false), { times: 1 })
          )
          yield* stage.act(Act.drop)
          yield* stage.up(since)
          yield* stage.flows
        })
    },
    {
      id: "resume-never-answered",
      sources: ["discordjs/discord.js#8759", "discordjs/discord.js#10174", "DawnbrandBots/bastion-bot#199"],
      discord: "RESUME is never answered, while heartbeats are acknowledged.",
      client: "Give the attempt up in finite time.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.discord.faults.inject(Fault.resume(Fault.nothing, { times: 1 }))
          const since = yield* stage.before
          yield* stage.act(Act.drop)
          yield* stage.up(since)
          yield* stage.flows
        })
    },
    {
      id: "three-troubles-at-once",
      sources: ["discordeno/discordeno#4109", "discordjs/discord.js#7113", "discordjs/discord.js#3681"],
      discord: "Reconnect (op 7), twice, and a close with 4000, all at once.",
      client: "Resume once.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          const since = yield* stage.before
          yield* Effect.all([
            stage.act(Act.reconnect),
            stage.act(Act.reconnect),
            stage.act(Act.close(4000, "Unknown error."))
          ])
          yield* stage.up(since)
          yield* stage.flows
          yield* stage.still("3 seconds", () => undefined)
          yield* stage.check((wire) => {
            const starts = framesOf(wire, [2, 6], since.connection).length
            return starts > 1 ? `it starts ${starts} times` : resumed(wire, since)
          })
        })
    },
    {
      id: "late-frames-of-the-old-connection",
      sources: ["discordjs/discord.js#8927", "NousResearch/hermes-agent#18297", "discordjs/discord.js#473"],
      discord: "A half-open connection wakes up once its successor has resumed, with frames that it held back.",
      client: "Ignore it: each event once, one connection.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          const since = yield* stage.before
          yield* stage.act(Act.mute)
          yield* stage.send
          yield* stage.up(since)
          yield* stage.discord.unmute()
          yield* stage.flows
          yield* stage.still("3 seconds", () => undefined)
          yield* stage.check((wire) => resumed(wire, since))
        })
    },
    {
      id: "lost-right-after-ready",
      sources: ["LakeYS/Discord-Trivia-Bot#160"],
      discord: "The connection is lost right after READY, before the guilds have come.",
      client: "Resume: the session is there, and an IDENTIFY would cost another of the day's.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.discord.faults.inject(Fault.identify(Act.drop, { times: 1, when: "after" }))
          yield* stage.ready
          yield* stage.check((wire) =>
            framesOf(wire, [2]).length > 1 ? "it sends IDENTIFY, though its session can be resumed" : undefined
          )
        })
    },
    {
      id: "resume-in-a-new-process",
      sources: ["Rapptz/discord.py#2283", "discordjs/discord.js#4133", "serenity-rs/serenity#3093"],
      discord: "The process is killed and started again, and events come meanwhile.",
      client: "Resume in the new process, and deliver what came meanwhile.",
      needs: ["sessions"],
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          // Sessions are written once a second at the most.
          yield* stage.still("2 seconds", () => undefined)
          const since = yield* stage.before
          yield* stage.restart
          const missed = yield* stage.send
          yield* stage.up(since)
          yield* stage.check((wire) =>
            framesOf(wire, [2], since.connection).length > 0 ? "it begins a new session after a restart" : undefined
          )
          yield* stage.delivers(missed)
        })
    },
    {
      id: "deaf-session",
      sources: ["DawnbrandBots/bastion-bot#199", "DawnbrandBots/bastion-bot#204", "izy521/discord.io#132"],
      discord: "Heartbeats are acknowledged, and no event comes any more.",
      client: "Find out, and resume. (Here after a second of silence; on Discord after ten minutes at the least.)",
      needs: ["probe"],
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          const since = yield* stage.before
          yield* stage.act(Act.deafen)
          yield* stage.send
          yield* stage.up(since)
          yield* stage.flows
        })
    }
  ]
}
