/**
 * Flags with parsed values: durations, events, shards. An error names the flag.
 *
 * `--help` loads only the definitions of the commands, so nothing here imports the gateway itself.
 */
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Result from "effect/Result"
import { parseIntents } from "../schema/Intents.ts"
import { parseShards, type ShardSelection } from "../schema/ShardSelection.ts"
import { type Address, parseAddress } from "./Address.ts"
import { parseEventNames } from "./EventNames.ts"

/** Flag of a parser that fails with a message. */
const read = <A>(name: string, parse: (text: string) => Result.Result<A, string>): Flag.Flag<A> =>
  Flag.String(name).pipe(
    Flag.mapEffect((text) =>
      Effect.fromResult(
        Result.mapError(
          parse(text),
          (description) => new CliError.ValidationError({ message: `--${name}: ${description}` })
        )
      )
    )
  )

/** Duration of a command: `--for 10s`. */
export const runFor: Flag.Flag<Option.Option<Duration.Duration>> = read("for", (text) => parseDuration(text)).pipe(
  Flag.withMetavar("<duration>"),
  Flag.withDescription("End after this time: 500ms, 10s, 2m, 1h"),
  Flag.optional
)

/** Average time between incidents, or `none`. */
export const incidents: Flag.Flag<Duration.Duration | undefined> = read("incidents", (text) =>
  text === "none" ? Result.succeed(undefined) : parseDuration(text)
).pipe(
  Flag.withMetavar("<duration|none>"),
  Flag.withDescription("How often something goes wrong, on average (default: 10s)"),
  Flag.withDefault(Duration.seconds(10))
)

/** Names of dispatches. */
export const events: Flag.Flag<Option.Option<ReadonlySet<string>>> = read("events", parseEventNames).pipe(
  Flag.withMetavar("<names>"),
  Flag.withDescription("Print only these: MESSAGE_CREATE,MESSAGE_UPDATE"),
  Flag.optional
)

/** Intents as a bit field. */
export const intents: Flag.Flag<Option.Option<number>> = read("intents", (text) => parseIntents(text)).pipe(
  Flag.withMetavar("<names>"),
  Flag.withDescription("Ask for these: GUILDS,GUILD_MESSAGES (default: all that are not privileged)"),
  Flag.optional
)

/** Shards to run. */
export const shards: Flag.Flag<Option.Option<ShardSelection>> = read("shards", parseShards).pipe(
  Flag.withMetavar("<shards>"),
  Flag.withDescription("How many, or which of how many: auto, 2, or 2,3/4"),
  Flag.optional
)

/** Address of the dashboard. */
export const dashboard: Flag.Flag<Option.Option<Address>> = read("dashboard", parseAddress).pipe(
  Flag.withMetavar("<host:port>"),
  Flag.withDescription("Serve a dashboard there: 127.0.0.1:8080"),
  Flag.optional
)

/** Whether a running process is asked whether it is alive. */
export const healthcheck: Flag.Flag<boolean> = Flag.Boolean("healthcheck").pipe(
  Flag.withDescription("Ask the process that runs with the same --dashboard whether it is alive: exit code 0 or 1"),
  Flag.withDefault(false)
)

const units: Record<string, Duration.Unit | undefined> = { ms: "millis", s: "seconds", m: "minutes", h: "hours" }

/** Parser of `500ms`, `10s`, `2m` and `1h`. */
export const parseDuration = (text: string): Result.Result<Duration.Duration, string> => {
  const [, amount = "", suffix = ""] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.trim()) ?? []
  const unit = units[suffix]
  return unit === undefined || Number(amount) === 0
    ? Result.fail(`"${text}" is not a duration: it takes a number and a unit, such as 500ms, 10s, 2m or 1h`)
    : Result.succeed(Duration.fromInputUnsafe(`${Number(amount)} ${unit}`))
}
