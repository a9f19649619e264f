/**
 * The command `disruption-gateway doctor`: its flags.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Flags from "./Flags.ts"

export const doctor = Command.make(
  "doctor",
  {
    intents: Flags.intents,
    shards: Flags.shards,
    apiUrl: Flag.String("api-url").pipe(
      Flag.withMetavar("<url>"),
      Flag.withDescription("Discord's REST API, or that of a simulated Discord"),
      Flag.optional
    )
  },
  (flags) =>
    Effect.flatMap(
      Effect.promise(() => import("./DoctorProgram.ts")),
      ({ examine }) => examine(flags)
    )
).pipe(
  Command.withShortDescription("Check the token, intents, shards, budget and clock, and say what to do"),
  Command.withDescription(
    "Asks Discord, by two requests and without connecting, whether a bot with these settings would run: whether the token is\n" +
      "  taken, which privileged intents are asked for and not enabled, how many shards Discord wants, what is left of the\n" +
      "  day's IDENTIFYs, and whether this computer's clock is right. A line for each check says what to do.\n\n" +
      "  The settings come from the environment, as those of run do: DISCORD_TOKEN, DISCORD_INTENTS, DISCORD_SHARDS, DISCORD_API_URL.\n" +
      "  Exit code: 0 where the bot would run, 1 where something has to be mended first."
  ),
  Command.withExamples([
    { command: "DISCORD_TOKEN=… disruption-gateway doctor", description: "Before the first start" },
    {
      command: "DISCORD_TOKEN=… disruption-gateway doctor --intents GUILDS,GUILD_MESSAGES,MESSAGE_CONTENT",
      description: "Whether the bot may use these intents"
    }
  ])
)
