/**
 * The end, when the program wants it.
 */
import * as Effect from "effect/Effect"
import { Act, Fault } from "../../../src/testing.ts"
import type { Theme } from "../Incident.ts"

export const stopping: Theme = {
  title: "Stopping",
  incidents: [
    {
      id: "stopped",
      sources: ["discordjs/discord.js#8401", "NousResearch/hermes-agent#18758"],
      discord: "Nothing. The program stops its bot; the process goes on.",
      client: "Close the connection, and stay away.",
      needs: ["stop"],
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          yield* stage.ask("stop")
          yield* stage.until(
            ({ connections }) => connections.every(({ end }) => end !== undefined),
            "it leaves its connection open",
            { within: "10 seconds" }
          )
          yield* stage.quiet("6 seconds", "it dials again after it was stopped")
        })
    },
    {
      id: "stopped-while-reconnecting",
      sources: ["discordjs/discord.js#1348", "discordjs/discord.js#1371"],
      discord: "Dials are refused, and the program stops its bot meanwhile.",
      client: "Dial no more.",
      needs: ["stop"],
      happen: (stage) =>
        Effect.gen(function* () {
          yield* stage.ready
          const fault = Fault.dial("refuse")
          yield* stage.discord.faults.inject(fault)
          const since = yield* stage.before
          yield* stage.act(Act.drop)
          yield* stage.until(({ counts }) => counts.dials > since.dials, "it does not dial again")
          yield* stage.ask("stop")
          yield* stage.still("1 second", () => undefined)
          yield* stage.discord.faults.lift(fault)
          yield* stage.quiet("8 seconds", "it dials again after it was stopped")
        })
    }
  ]
}
