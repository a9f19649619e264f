/**
 * Heartbeats: when they are sent, and what follows from their acknowledgement.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { Act, Fault } from "../../../src/testing.ts"
import type { Theme } from "../Incident.ts"
import { dOf, framesOf, gaps, resumed } from "../Wire.ts"

/** The heartbeat interval of a stage, in milliseconds. */
const interval = 2000

const spaced = Schedule.spaced("200 millis")

export const heartbeats: Theme = {
  title: "Heartbeats",
  incidents: [
    {
      id: "unacknowledged",
      sources: ["discordjs/discord.js#3004", "Francessco121/Discore#3", "Javacord/Javacord#627"],
      discord: "Heartbeats are not acknowledged any more, while events still come.",
      client:
        "Take the connection for dead when the next heartbeat is due, close it with neither 1000 nor 1001, and resume.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          const since = yield* stage.before
          const fault = Fault.heartbeat(Fault.nothing)
          yield* stage.discord.faults.inject(fault)
          const events = Effect.repeat(stage.send, { times: Infinity, schedule: spaced })
          yield* Effect.raceFirst(
            stage.until(
              ({ connections }) => connections.every(({ end, id }) => id > since.connection || end !== undefined),
              "it does not give up a connection on which heartbeats are not acknowledged",
              { within: 10 * interval }
            ),
            events
          )
          yield* stage.discord.faults.lift(fault)
          yield* stage.up(since)
          yield* stage.check((wire) =>
            framesOf(wire, [2], since.connection).length > 0
              ? "it sends IDENTIFY, though its session can be resumed"
              : undefined
          )
          yield* stage.flows
        })
    },
    {
      id: "half-open",
      sources: ["serenity-rs/serenity#3369", "discord/discord-api-docs#25", "openclaw/openclaw#18410"],
      discord: "The peer is gone, the TCP connection stays open, and no close frame is answered.",
      client: "Be on a new connection within a second of the verdict, which the missing acknowledgement is.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          const since = yield* stage.before
          yield* stage.act(Act.mute)
          // A heartbeat goes out within an interval, and the next is due one later.
          yield* stage.up(since, 2 * interval + 3000)
          yield* stage.check((wire) => resumed(wire, since))
          yield* stage.flows
        })
    },
    {
      id: "requested",
      sources: ["sm00th/bitlbee-discord#115", "vsTerminus/Mojo-Discord#40"],
      discord: "Discord asks for a heartbeat (op 1).",
      client: "Send one at once, whatever the timer says.",
      options: { heartbeatInterval: "60 seconds" },
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          const { length } = framesOf(yield* stage.wire, [1])
          yield* stage.discord.requestHeartbeat()
          yield* stage.until((wire) => framesOf(wire, [1]).length > length, "it does not answer op 1", {
            within: "2 seconds"
          })
          yield* stage.flows
        })
    },
    {
      id: "requested-while-outstanding",
      sources: ["discordjs/discord.js#3993"],
      discord: "Discord asks for a heartbeat (op 1) while the acknowledgement of the last is on its way.",
      client: "Send one, and do not take the connection for dead.",
      options: { heartbeatInterval: "5 seconds" },
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          const late = Fault.heartbeat(Fault.late("1 second"))
          yield* stage.discord.faults.inject(late)
          for (let n = 0; n < 3; n++) {
            const { length } = framesOf(yield* stage.wire, [1])
            yield* stage.until((wire) => framesOf(wire, [1]).length > length, "it sends no heartbeat")
            yield* stage.discord.requestHeartbeat()
          }
          yield* stage.check(({ counts }) =>
            counts.connections > 1 ? "it takes a living connection for dead" : undefined
          )
          yield* stage.flows
        })
    },
    {
      id: "acknowledged-late",
      sources: ["andersfylling/disgord#415", "discord/discord-api-docs#1527"],
      discord: "Acknowledgements come after three fifths of the interval.",
      client: "Keep the connection: they came before the next heartbeat.",
      options: { heartbeatInterval: "4 seconds" },
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.discord.faults.inject(Fault.heartbeat(Fault.late("2400 millis")))
          yield* stage.ready
          yield* stage.still("12 seconds", ({ counts }) =>
            counts.connections > 1 ? "it takes a living connection for dead" : undefined
          )
          yield* stage.flows
        })
    },
    {
      id: "outstanding-over-a-reconnect",
      sources: ["discordjs/discord.js#8927", "discordeno/discordeno#3907"],
      discord: "A connection is lost while a heartbeat is not acknowledged.",
      client: "Resume once: the new connection owes nothing for the old one.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          const fault = Fault.heartbeat(Fault.nothing, { times: 1 })
          const { length } = framesOf(yield* stage.wire, [1])
          yield* stage.discord.faults.inject(fault)
          yield* stage.until((wire) => framesOf(wire, [1]).length > length, "it sends no heartbeat")
          yield* stage.resumes(stage.act(Act.drop))
          const { connections } = (yield* stage.wire).counts
          yield* stage.still(3 * interval, ({ counts }) =>
            counts.connections > connections ? "it takes the new connection for dead as well" : undefined
          )
        })
    },
    {
      id: "no-jitter",
      sources: ["discordjs/discord.js#9197", "twilight-rs/twilight#1933", "discord/discord-api-docs#8027"],
      discord: "All clients come back at once after an outage.",
      client: "Send the first heartbeat after a random part of the interval, another one each time.",
      options: { heartbeatInterval: "2500 millis" },
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          for (let n = 0; n < 4; n++) {
            const since = yield* stage.before
            const ofThis = stage.until(
              (wire) => framesOf(wire, [1], since.connection - 1).length > 0,
              "it sends no heartbeat"
            )
            yield* ofThis
            yield* stage.resumes(stage.act(Act.drop))
          }
          yield* stage.check((wire) => {
            const parts = wire.connections.flatMap(({ frames, openedAt }) => {
              const first = frames.find(({ op }) => op === 1)
              return first === undefined ? [] : [(first.at - openedAt) / 2500]
            })
            const spread = Math.max(...parts) - Math.min(...parts)
            return spread < 0.05
              ? `each first heartbeat comes after ${Math.round((parts[0] ?? 0) * 100)} % of the interval`
              : undefined
          })
        })
    },
    {
      id: "sequence",
      sources: ["izy521/discord.io#208", "discordjs/discord.js#1030"],
      discord: "Acknowledgements have no sequence (`s` is null).",
      client: "Keep the sequence of the last event, and name it in the heartbeat.",
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          const { length } = framesOf(yield* stage.wire, [1])
          yield* stage.until((wire) => framesOf(wire, [1]).length > length + 1, "it sends no heartbeat")
          yield* stage.check((wire) => {
            const last = framesOf(wire, [1]).at(-1)
            const sequence = wire.sessions.at(-1)?.sequence
            return last !== undefined && dOf(last) !== sequence
              ? `its heartbeat names ${String(dOf(last))}, not the last sequence, ${String(sequence)}`
              : undefined
          })
        })
    },
    {
      id: "starved-by-events",
      sources: ["andersfylling/disgord#415", "jakobdylanc/llmcord#24", "sm00th/bitlbee-discord#159"],
      discord: "The session starts with 1500 guilds, and Discord closes what sends no heartbeats with 4009.",
      client: "Send heartbeats on time while the guilds come.",
      options: { guilds: 1500, heartbeatTimeout: true },
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.still(3 * interval, ({ counts }) =>
            counts.connections > 1 ? "it loses its connection while the guilds come" : undefined
          )
          yield* stage.check((wire) => {
            const longest = Math.max(0, ...gaps(framesOf(wire, [1])))
            return longest > 1.9 * interval ? "its heartbeats are late while events come" : undefined
          })
        })
    }
  ]
}
