/**
 * Discord's limits: of IDENTIFYs in five seconds and in a day, and of frames in a minute.
 */
import * as Effect from "effect/Effect"
import { snowflake } from "../../../src/simulator/Snowflakes.ts"
import { Act, Fault } from "../../../src/testing.ts"
import type { Theme } from "../Incident.ts"
import { framesOf, isUp } from "../Wire.ts"

export const limits: Theme = {
  title: "Limits",
  incidents: [
    {
      id: "shards-one-after-another",
      sources: ["discord/discord-api-docs#1328", "andersfylling/disgord#82", "kordlib/kord#625"],
      discord: "Three shards start; one may identify in five seconds.",
      client: "Five seconds between two IDENTIFYs.",
      shards: 3,
      happen: (stage) => stage.up()
    },
    {
      id: "max-concurrency",
      sources: ["discord/discord-api-docs#1621", "discord-jda/JDA#1293", "kordlib/kord#693"],
      discord: "Four shards start, and `max_concurrency` is 4.",
      client: "All four identify within five seconds: each has a bucket of its own.",
      shards: 4,
      options: { maxConcurrency: 4 },
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.up()
          yield* stage.check((wire) => {
            const times = framesOf(wire, [2]).map(({ at }) => at)
            const took = Math.max(...times) - Math.min(...times)
            return took > 5000
              ? `it takes ${(took / 1000).toFixed(0)} s for four IDENTIFYs that may go at once`
              : undefined
          })
        })
    },
    {
      id: "all-shards-lose-their-session",
      sources: ["DSharpPlus/DSharpPlus#2455", "kordlib/kord#693"],
      discord: "Three shards lose connection and session at once.",
      client: "Five seconds between two IDENTIFYs, again.",
      shards: 3,
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.up()
          yield* stage.mayIdentify
          const since = yield* stage.before
          yield* stage.discord.endSessions()
          yield* stage.act(Act.drop)
          yield* stage.until((wire) => isUp(wire, 3, since.connection), "it does not come back with all shards")
        })
    },
    {
      id: "budget-used-up",
      sources: ["discordjs/discord.js#5455", "discord/discord-api-docs#215"],
      discord: "The day's IDENTIFYs are used up; there are new ones in eight seconds.",
      client: "Wait for them: one too many resets the token.",
      options: { sessionStartLimit: { total: 1000, remaining: 0, resetAfter: "8 seconds" } },
      happen: (stage) => stage.ready
    },
    {
      id: "budget-used-up-by-lost-sessions",
      sources: ["anthropics/claude-plugins-official#3140", "mautrix/discord#241", "discordjs/discord.js#9843"],
      discord: "Four IDENTIFYs are left of the day, and every session ends as soon as it has begun.",
      client: "Never more than the four, in the 25 seconds that are looked at.",
      options: { sessionStartLimit: { total: 100, remaining: 4, resetAfter: "1 hour" } },
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.until(({ counts }) => counts.identifies > 0, "it does not send IDENTIFY")
          const ends = Effect.forever(
            Effect.andThen(Effect.sleep("500 millis"), Effect.andThen(stage.discord.endSessions(), stage.act(Act.drop)))
          )
          yield* Effect.raceFirst(
            stage.still("25 seconds", ({ counts }) =>
              counts.overruns > 0
                ? "it sends more IDENTIFYs than the day's limit, for which Discord resets the token"
                : undefined
            ),
            ends
          )
        })
    },
    {
      id: "too-many-frames",
      sources: ["discordeno/discordeno#1886", "twilight-rs/twilight#1935", "discord/discord-api-docs#315"],
      discord: "A program sets its presence 150 times at once; Discord takes 120 frames in a minute.",
      client: "Hold back what is too much, and still send heartbeats.",
      needs: ["presence"],
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.ask("presence", { times: 150 })
          yield* stage.still("8 seconds", ({ connections }) =>
            connections.some(({ end }) => end?.code === 4008)
              ? "Discord closes with 4008: it sends more than 120 frames in a minute"
              : undefined
          )
          const { length } = framesOf(yield* stage.wire, [1])
          yield* stage.until(
            (wire) => framesOf(wire, [1]).length > length,
            "its heartbeats wait behind what it sends",
            {
              within: "6 seconds"
            }
          )
          yield* stage.flows
        })
    },
    {
      id: "sent-while-resuming",
      sources: ["Javacord/Javacord#604", "SinisterRectus/Discordia#134", "discord/discord-api-docs#318"],
      discord: "A program sets its presence while the answer to RESUME is on its way.",
      client: "Send it after RESUMED: before, Discord closes with 4003.",
      needs: ["presence"],
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.discord.faults.inject(Fault.resume(Fault.late("2 seconds"), { times: 1 }))
          const since = yield* stage.before
          yield* stage.act(Act.drop)
          yield* stage.until((wire) => framesOf(wire, [2, 6], since.connection).length > 0, "it does not resume")
          yield* stage.ask("presence")
          yield* stage.up(since)
          yield* stage.flows
        })
    },
    {
      id: "members-asked-twice",
      sources: ["discord/discord-api-docs#7760", "nanocoai/nanoclaw#224", "discordjs/discord.js#11252"],
      discord: "All members of a guild are asked for twice; the second time Discord answers RATE_LIMITED.",
      client: "Stay connected, and do not ask again before the 30 seconds are over.",
      needs: ["members"],
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          const guild = snowflake(0)
          yield* stage.ask("members", { guild })
          yield* stage.until((wire) => framesOf(wire, [8]).length > 0, "it does not ask for members")
          yield* stage.flows
          yield* stage.ask("members", { guild })
          yield* stage.still("5 seconds", (wire) =>
            framesOf(wire, [8]).length > 3 ? "it asks again and again before the 30 seconds are over" : undefined
          )
          yield* stage.flows
        })
    }
  ]
}
