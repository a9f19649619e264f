/**
 * `disruption-gateway run`: connects, and shows how the shards are doing on a terminal, or prints what Discord says and
 * what happens to the connections.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import type * as Terminal from "effect/Terminal"
import { NodeGateway } from "../node/NodeGateway.ts"
import type { GatewayError } from "../schema/GatewayError.ts"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import type { Payload } from "../schema/Payload.ts"
import { describeShardEvent, levelOfShardEvent, type ShardEvent } from "../schema/ShardEvent.ts"
import { Gateway } from "../services/Gateway.ts"
import { GatewayConfig, type GatewayOptions } from "../services/GatewayConfig.ts"
import { GatewayMonitor } from "../services/GatewayMonitor.ts"
import { DiscordSimulator } from "../simulator/DiscordSimulator.ts"
import type { PortUnavailable } from "../simulator/Served.ts"
import * as BuiltInDiscord from "./BuiltInDiscord.ts"
import { changeLine, dispatchLine, jsonLine } from "./EventLine.ts"
import * as Flags from "./Flags.ts"
import * as LiveScreen from "./LiveScreen.ts"
import * as StandardError from "./StandardError.ts"
import * as StandardOutput from "./StandardOutput.ts"
import * as StatusPage from "./StatusPage.ts"
import { paper } from "./TerminalLine.ts"

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
    lasting: Flags.lasting,
    intents: Flag.String("intents").pipe(
      Flag.withMetavar("<names>"),
      Flag.withDescription("Ask for these: GUILDS,GUILD_MESSAGES (default: all that are not privileged)"),
      Flag.optional
    ),
    shards: Flags.shards,
    sessionFile: Flag.String("session-file").pipe(
      Flag.withMetavar("<path>"),
      Flag.withDescription("Keep the sessions in this file: started again, it resumes and loses nothing"),
      Flag.optional
    ),
    apiUrl: url("api-url", "Where GET /gateway/bot is asked"),
    gatewayUrl: url("gateway-url", "Where to connect, without asking GET /gateway/bot")
  },
  Effect.fn(function* ({ apiUrl, dashboard, events, gatewayUrl, intents, json, lasting, plain, sessionFile, shards }) {
    const options = {
      intents: Option.getOrUndefined(intents),
      shards: Option.getOrUndefined(shards),
      apiUrl: Option.getOrUndefined(apiUrl),
      gatewayUrl: Option.getOrUndefined(gatewayUrl)
    }
    const logLevel = yield* GlobalFlag.LogLevel
    const builtIn = yield* isBuiltInMeant(options)
    const isTerminal = yield* (yield* Stdio.Stdio).stdoutIsTerminal
    const isLive = isTerminal && !json && !plain && Option.isNone(events) && Option.isNone(logLevel)

    const program = Effect.gen(function* () {
      const gateway = yield* Gateway
      const payloads = Option.match(events, {
        onNone: () => gateway.payloads,
        onSome: (names) => Stream.filter(gateway.payloads, ({ t }) => t !== null && names.has(t))
      })
      if (Option.isSome(dashboard)) yield* StatusPage.serve(dashboard.value)
      const notes = [
        ...(builtIn ? [BuiltInDiscord.introduction] : []),
        ...Option.match(dashboard, { onNone: () => [], onSome: describePage })
      ]
      if (isLive) {
        yield* LiveScreen.show(notes.flatMap((note) => note.split("\n"))).pipe(
          Effect.provide(GatewayMonitor.layer),
          Effect.raceFirst(Stream.runDrain(payloads))
        )
        return
      }
      for (const note of notes) yield* json ? Console.error(note) : StandardOutput.writeLine(note)
      if (json || Option.isSome(logLevel)) yield* Effect.forkScoped(Stream.runForEach(gateway.changes, logChange))
      yield* StandardOutput.writeLines(
        json ? Stream.map(payloads, jsonLine) : linesForPeople(payloads, gateway.changes)
      )
    })

    // What is logged would be written into the live view; it shows it itself.
    const quiet = isLive ? "None" : json ? "Info" : "Warn"
    yield* program.pipe(
      Effect.scoped,
      Effect.provide(
        Option.match(sessionFile, {
          onNone: () => NodeGateway.layer,
          onSome: NodeGateway.layerWithSessionFile
        }).pipe(Layer.provide(builtIn ? builtInConfig(options) : configOf(options)))
      ),
      Effect.provideService(
        References.MinimumLogLevel,
        Option.getOrElse(logLevel, () => quiet)
      ),
      Option.isSome(lasting) ? Effect.timeoutOption(lasting.value) : Effect.asSome,
      Effect.mapError(explain)
    )
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
    { command: "disruption-gateway run --dashboard 127.0.0.1:8080", description: "With a status page" },
    {
      command: "disruption-gateway run --json --session-file sessions.json >> events.ndjson",
      description: "Miss nothing between two runs"
    }
  ])
)

// ---------------------------------------------------------------------------------------------------------------------
// What is printed
// ---------------------------------------------------------------------------------------------------------------------

const linesForPeople = (
  payloads: Stream.Stream<Payload, GatewayError>,
  changes: Stream.Stream<ShardEvent>
): Stream.Stream<string, GatewayError, Stdio.Stdio | Terminal.Terminal> =>
  Stream.merge(
    payloads.pipe(
      Stream.filter(({ op }) => op === GatewayOpcode.Dispatch),
      Stream.mapEffect((payload) =>
        Effect.zipWith(paper, Clock.currentTimeMillis, (paper, now) => dispatchLine(payload, now, paper))
      )
    ),
    changes.pipe(
      Stream.filter((change) => !isFailure(change)),
      Stream.mapEffect((change) => Effect.map(paper, (paper) => changeLine(change, paper)))
    ),
    { haltStrategy: "left" }
  )

const logChange = (change: ShardEvent): Effect.Effect<void> =>
  isFailure(change)
    ? Effect.void
    : Effect.logWithLevel(levelOfShardEvent(change))(`shard ${change.shard}: ${describeShardEvent(change)}`)

/** What the command fails with is said once, at its end. */
const isFailure = (change: ShardEvent): boolean => change._tag === "Stopped" && change.reason !== undefined

const describePage = (address: StatusPage.Address): ReadonlyArray<string> => [
  `Status page: ${StatusPage.urlOf(address)}`,
  ...(StatusPage.isLocal(address) ? [] : ["It is not only for this computer: everybody who reaches it can read it."])
]

// ---------------------------------------------------------------------------------------------------------------------
// Where it connects
// ---------------------------------------------------------------------------------------------------------------------

type Options = Pick<GatewayOptions, "intents" | "shards" | "apiUrl" | "gatewayUrl">

const configOf = (options: Options): Layer.Layer<GatewayConfig, GatewayError> => GatewayConfig.layerEnvWith(options)

const builtInConfig = (options: Options): Layer.Layer<GatewayConfig, GatewayError | PortUnavailable> =>
  Layer.unwrap(
    Effect.map(DiscordSimulator, ({ apiUrl, token }) =>
      GatewayConfig.layerEnvWith({ ...options, apiUrl, token, stableAfter: BuiltInDiscord.stableAfter })
    )
  ).pipe(Layer.provide(BuiltInDiscord.layer))

const isSet = (variable: string): Config.Config<boolean> =>
  Config.String(variable).pipe(
    Config.option,
    Config.map((value) => Option.exists(value, (text) => text.trim() !== ""))
  )

/** Whether nothing says where to connect and as whom. */
const isBuiltInMeant = ({ apiUrl, gatewayUrl }: Options) =>
  Config.all([isSet("DISCORD_TOKEN"), isSet("DISCORD_API_URL"), isSet("DISCORD_GATEWAY_URL")]).pipe(
    Effect.map((set) => apiUrl === undefined && gatewayUrl === undefined && !set.includes(true))
  )

// ---------------------------------------------------------------------------------------------------------------------
// What goes wrong
// ---------------------------------------------------------------------------------------------------------------------

const flagNames: Record<string, string | undefined> = {
  intents: "--intents",
  shards: "--shards",
  apiUrl: "--api-url",
  gatewayUrl: "--gateway-url"
}

/** The error as a message that knows the option by its flag. */
const explain = (
  error: GatewayError | PortUnavailable | StandardOutput.OutputFailed | StatusPage.AddressUnavailable
) => {
  if (error._tag !== "GatewayError" || error.reason._tag !== "InvalidConfig") return StandardError.failure(error)
  const { description, option } = error.reason
  return StandardError.failure(error, `${flagNames[option] ?? option}: ${description}`)
}
