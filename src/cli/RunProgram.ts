/**
 * Program of `disruption-gateway run`: connects, and shows the live view on a terminal, or prints payloads and changes
 * of the connections as lines.
 */
import * as DateTime from "effect/DateTime"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as References from "effect/References"
import type * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import type * as Terminal from "effect/Terminal"
import * as NodeGateway from "../node/NodeGateway.ts"
import type { GatewayError } from "../schema/GatewayError.ts"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import type { Payload } from "../schema/Payload.ts"
import { Intents } from "../schema/Intents.ts"
import { describeShardEvent, levelOfShardEvent, type ShardEvent } from "../schema/ShardEvent.ts"
import type { ShardSelection } from "../schema/ShardSelection.ts"
import type { Delivery } from "../gateway/Delivery.ts"
import { Gateway } from "../gateway/Gateway.ts"
import { defaultIntents, GatewayConfig, type GatewayOptions } from "../services/GatewayConfig.ts"
import { GatewayMonitor } from "../gateway/GatewayMonitor.ts"
import { DiscordSimulator } from "../simulator/DiscordSimulator.ts"
import type { PortUnavailable } from "../simulator/Served.ts"
import { type Address, isLocal, urlOf } from "./Address.ts"
import * as BuiltInDiscord from "./BuiltInDiscord.ts"
import { changeLine, dispatchLine, jsonLine } from "./EventLine.ts"
import * as LiveScreen from "./LiveScreen.ts"
import * as StandardError from "./StandardError.ts"
import * as StandardOutput from "./StandardOutput.ts"
import * as Dashboard from "./Dashboard.ts"
import { paper } from "./TerminalLine.ts"

/** Values of the flags, and the choices derived from them. */
export interface RunOptions {
  readonly output: "live" | "json" | "lines"
  /** Introduction of the built-in Discord, for the live view; undefined with the real Discord. */
  readonly builtIn: string | undefined
  readonly logLevel: Option.Option<LogLevel.LogLevel>
  readonly events: Option.Option<ReadonlySet<string>>
  readonly dashboard: Option.Option<Address>
  readonly runFor: Option.Option<Duration.Duration>
  readonly intents: Option.Option<number>
  readonly shards: Option.Option<ShardSelection>
  readonly sessionFile: Option.Option<string>
  readonly apiUrl: Option.Option<string>
  readonly gatewayUrl: Option.Option<string>
}

/** Runs until the end of `--for`, of the output or of the view, or until a failure or a signal. */
export const run = Effect.fn(function* (flags: RunOptions) {
  const { builtIn, dashboard, events, runFor, logLevel, output, sessionFile } = flags
  const options = {
    intents: Option.getOrUndefined(flags.intents),
    shards: Option.getOrUndefined(flags.shards),
    apiUrl: Option.getOrUndefined(flags.apiUrl),
    gatewayUrl: Option.getOrUndefined(flags.gatewayUrl)
  }

  const program = Effect.gen(function* () {
    const gateway = yield* Gateway
    const isAskedFor = Option.match(events, {
      onNone: () => () => true,
      onSome: (names) => (payload: Payload) => payload.t !== null && names.has(payload.t)
    })
    const notes = Option.isSome(dashboard) ? describeAddress(yield* Dashboard.serve(dashboard.value)) : []
    if (output === "live") {
      const introduction = builtIn === undefined ? [] : builtIn.split("\n")
      yield* LiveScreen.show([...introduction, ...notes]).pipe(
        Effect.provide(GatewayMonitor.layer),
        Effect.raceFirst(Stream.runDrain(gateway.payloads))
      )
      return
    }
    for (const note of notes) yield* output === "json" ? Console.error(note) : StandardOutput.writeLine(note)
    if (output === "json" || Option.isSome(logLevel)) {
      yield* Effect.forkScoped(Stream.runForEach(gateway.changes, logChange))
    }
    const lines = output === "json" ? jsonLines : linesForPeople(gateway.changes)
    yield* StandardOutput.writeLines(
      lines(
        Stream.filterEffect(gateway.deliveries, ({ ack, payload }) =>
          isAskedFor(payload) ? Effect.succeed(true) : Effect.as(ack, false)
        )
      )
    )
  })

  // Minimum log level. The live view has none: it shows the changes itself, and logs would be written into it.
  const quiet = ({ live: "None", json: "Info", lines: "Warn" } as const)[output]
  yield* program.pipe(
    Effect.scoped,
    Effect.provide(
      Option.match(sessionFile, {
        onNone: () => NodeGateway.layer,
        onSome: (path) => NodeGateway.layerWithSessionFile(path)
      }).pipe(Layer.provide(builtIn === undefined ? GatewayConfig.layerEnvWith(options) : builtInConfig(options)))
    ),
    Effect.provideService(
      References.MinimumLogLevel,
      Option.getOrElse(logLevel, () => quiet)
    ),
    Option.isSome(runFor) ? Effect.timeoutOption(runFor.value) : Effect.asSome,
    Effect.mapError(explain)
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// Output
// ---------------------------------------------------------------------------------------------------------------------

type Deliveries = Stream.Stream<Delivery, GatewayError>
type Lines = Stream.Stream<StandardOutput.Line, GatewayError, Stdio.Stdio | Terminal.Terminal>

const jsonLines = (deliveries: Deliveries): Lines =>
  Stream.map(deliveries, ({ ack, payload }) =>
    Option.match(jsonLine(payload), {
      onNone: () => ({ written: Effect.andThen(logUnwritable(payload), ack) }),
      onSome: (text) => ({ text, written: ack })
    })
  )

const logUnwritable = ({ s, shard, t }: Payload): Effect.Effect<void> =>
  Effect.logWarning(
    `shard ${shard}: Left out ${t ?? "a payload"}${s === null ? "" : ` (sequence ${s})`}: ` +
      "it is nested too deeply to be written as JSON"
  )

const linesForPeople =
  (changes: Stream.Stream<ShardEvent>) =>
  (deliveries: Deliveries): Lines =>
    Stream.merge(
      deliveries.pipe(
        Stream.filterEffect(({ ack, payload }) =>
          payload.op === GatewayOpcode.Dispatch ? Effect.succeed(true) : Effect.as(ack, false)
        ),
        Stream.mapEffect(({ ack, payload }) =>
          Effect.zipWith(paper, DateTime.now, (paper, now) => ({
            text: dispatchLine(payload, now, paper),
            written: ack
          }))
        )
      ),
      changes.pipe(
        Stream.filter((change) => !isFailure(change)),
        Stream.mapEffect((change) => Effect.map(paper, (paper) => ({ text: changeLine(change, paper) })))
      ),
      { haltStrategy: "left" }
    )

const logChange = (change: ShardEvent): Effect.Effect<void> =>
  isFailure(change)
    ? Effect.void
    : Effect.logWithLevel(levelOfShardEvent(change))(`shard ${change.shard}: ${describeShardEvent(change)}`)

/** Test for the final failure, which the command reports once, at its end. */
const isFailure = (change: ShardEvent): boolean => change._tag === "Stopped" && change.reason !== undefined

const describeAddress = (address: Address): ReadonlyArray<string> => [
  `Dashboard: ${urlOf(address)}`,
  ...(isLocal(address) ? [] : ["It is not only for this computer: everybody who reaches it can read it."])
]

// ---------------------------------------------------------------------------------------------------------------------
// Configuration of the built-in Discord
// ---------------------------------------------------------------------------------------------------------------------

type Options = Pick<GatewayOptions, "intents" | "shards" | "apiUrl" | "gatewayUrl">

const builtInConfig = (options: Options): Layer.Layer<GatewayConfig, GatewayError | PortUnavailable> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { apiUrl, token } = yield* DiscordSimulator
      // A demonstration shows what messages say, for which the built-in bot has the intent.
      const isAsked = Option.isSome(yield* Effect.orDie(Config.option(Config.String("DISCORD_INTENTS"))))
      const intents = options.intents ?? (isAsked ? undefined : defaultIntents | Intents.MESSAGE_CONTENT)
      return GatewayConfig.layerEnvWith({
        ...options,
        intents,
        apiUrl,
        token,
        stableAfter: BuiltInDiscord.stableAfter
      })
    })
  ).pipe(Layer.provide(BuiltInDiscord.layer))

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

const flagNames: Record<string, string | undefined> = {
  intents: "--intents",
  shards: "--shards",
  apiUrl: "--api-url",
  gatewayUrl: "--gateway-url"
}

/** User error with the flag's name in place of the option's. */
const explain = (
  error: GatewayError | PortUnavailable | StandardOutput.OutputFailed | Dashboard.AddressUnavailable
) => {
  if (error._tag !== "GatewayError" || error.reason._tag !== "InvalidConfig") return StandardError.failure(error)
  const { description, option } = error.reason
  return StandardError.failure(error, `${flagNames[option] ?? option}: ${description}`)
}
