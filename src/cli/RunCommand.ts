/**
 * The command `disruption-gateway run`: its flags, and its introduction, which is printed before the gateway is loaded.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import * as Flags from "./Flags.ts"
import * as StandardError from "./StandardError.ts"
import * as StandardOutput from "./StandardOutput.ts"

const url = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar("<url>"), Flag.withDescription(description), Flag.optional)

export const run = Command.make(
  "run",
  {
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print every payload as a line of JSON, and nothing else"),
      Flag.withDefault(false)
    ),
    plain: Flag.Boolean("plain").pipe(
      Flag.withDescription("Print lines on a terminal, too, instead of the live view"),
      Flag.withDefault(false)
    ),
    events: Flags.events,
    dashboard: Flags.dashboard,
    healthcheck: Flags.healthcheck,
    runFor: Flags.runFor,
    intents: Flags.intents,
    shards: Flags.shards,
    sessionFile: Flag.String("session-file").pipe(
      Flag.withMetavar("<path>"),
      Flag.withDescription("Keep the sessions in this file: started again, it resumes and loses nothing"),
      Flag.optional
    ),
    apiUrl: url("api-url", "Where GET /gateway/bot is asked"),
    gatewayUrl: url("gateway-url", "Where to connect, without asking GET /gateway/bot")
  },
  Effect.fn(function* (flags) {
    if (flags.healthcheck) {
      const { check } = yield* Effect.promise(() => import("./Healthcheck.ts"))
      return yield* check(flags.dashboard)
    }
    const logLevel = yield* GlobalFlag.LogLevel
    const builtIn = yield* isBuiltInMeant(flags)
    const isTerminal = yield* (yield* Stdio.Stdio).stdoutIsTerminal
    const isLive = isTerminal && !flags.json && !flags.plain && Option.isNone(flags.events) && Option.isNone(logLevel)
    // The live view shows the introduction itself.
    if (builtIn && !isLive) {
      yield* Effect.mapError(
        flags.json ? Console.error(introduction) : StandardOutput.writeLine(introduction),
        (error) => StandardError.failure(error)
      )
    }
    const program = yield* Effect.promise(() => import("./RunProgram.ts"))
    yield* program.run({
      ...flags,
      output: isLive ? "live" : flags.json ? "json" : "lines",
      builtIn: builtIn ? introduction : undefined,
      logLevel
    })
  })
).pipe(
  Command.withShortDescription("Connect, and show what happens"),
  Command.withDescription(
    "Connects to Discord. A terminal shows how the shards are doing; with --plain, with --events, and where there is no\n" +
      "  terminal, it prints a line for every event, and a line that stands out for what happens to the connection.\n" +
      "  Without DISCORD_TOKEN it connects to a simulated Discord that is built in.\n\n" +
      "  The environment says what the flags do not: DISCORD_TOKEN, DISCORD_INTENTS, DISCORD_SHARDS, DISCORD_API_URL,\n" +
      "  DISCORD_GATEWAY_URL. There is no flag for the token on purpose: every user of a computer can read the flags\n" +
      "  of every process."
  ),
  Command.withExamples([
    { command: "disruption-gateway run --for 20s", description: "See what it does, without a token" },
    { command: "DISCORD_TOKEN=… disruption-gateway run --events MESSAGE_CREATE", description: "Only new messages" },
    {
      command: "disruption-gateway run --json | jq -r 'select(.t == \"MESSAGE_CREATE\") | .d.content'",
      description: "Hand payloads to another program"
    },
    { command: "disruption-gateway run --shards 2,3/4", description: "The last two of four shards" },
    { command: "disruption-gateway run --dashboard 127.0.0.1:8080", description: "With a dashboard" },
    {
      command: "disruption-gateway run --healthcheck --dashboard 127.0.0.1:8080",
      description: "A container's health check of it"
    },
    {
      command: "disruption-gateway run --json --session-file sessions.json >> events.ndjson",
      description: "Miss nothing between two runs"
    }
  ])
)

/** Introduction for a user who may expect the real Discord. */
const introduction =
  "DISCORD_TOKEN is not set: this is the built-in simulated Discord, which pulls the plug every few seconds.\n" +
  "For the real one: DISCORD_TOKEN=<your bot's token> disruption-gateway run"

const isSet = (variable: string): Config.Config<boolean> =>
  Config.String(variable).pipe(
    Config.option,
    Config.map((value) => Option.exists(value, (text) => text.trim() !== ""))
  )

/** True if neither a token nor a URL is given, by flag or by variable. */
const isBuiltInMeant = (flags: Readonly<Record<"apiUrl" | "gatewayUrl", Option.Option<string>>>) =>
  Config.all([isSet("DISCORD_TOKEN"), isSet("DISCORD_API_URL"), isSet("DISCORD_GATEWAY_URL")]).pipe(
    Effect.map((set) => Option.isNone(flags.apiUrl) && Option.isNone(flags.gatewayUrl) && !set.includes(true))
  )
