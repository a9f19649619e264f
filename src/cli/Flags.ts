/**
 * Values that flags take: durations, events, shards. What cannot be read is refused with the flag's name.
 */
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Result from "effect/Result"
import { type GatewayOptions, parseShards } from "../services/GatewayConfig.ts"
import { parseEventNames } from "./EventNames.ts"
import * as StatusPage from "./StatusPage.ts"

/** A flag whose text is read by a function that says what is wrong with it. */
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

/** How long a command runs: `--for 10s`. */
export const lasting: Flag.Flag<Option.Option<Duration.Duration>> = read("for", (text) => parseDuration(text)).pipe(
  Flag.withMetavar("<duration>"),
  Flag.withDescription("End after this time: 500ms, 10s, 2m, 1h"),
  Flag.optional
)

/** The average time between incidents, or `none`. */
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

/** Which shards to run. Whether there can be such shards is for the configuration to say. */
export const shards: Flag.Flag<Option.Option<NonNullable<GatewayOptions["shards"]>>> = read("shards", (text) =>
  parseShards(text)
).pipe(
  Flag.withMetavar("<shards>"),
  Flag.withDescription("How many, or which of how many: auto, 2, or 2,3/4"),
  Flag.optional
)

/** Where the status page is served. */
export const dashboard: Flag.Flag<Option.Option<StatusPage.Address>> = read("dashboard", StatusPage.parseAddress).pipe(
  Flag.withMetavar("<host:port>"),
  Flag.withDescription("Serve a status page there: 127.0.0.1:8080"),
  Flag.optional
)

const units: Record<string, Duration.Unit | undefined> = { ms: "millis", s: "seconds", m: "minutes", h: "hours" }

/** Reads `500ms`, `10s`, `2m` and `1h`. */
export const parseDuration = (text: string): Result.Result<Duration.Duration, string> => {
  const [, amount = "", suffix = ""] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.trim()) ?? []
  const unit = units[suffix]
  return unit === undefined || Number(amount) === 0
    ? Result.fail(`"${text}" is not a duration: it takes a number and a unit, such as 500ms, 10s, 2m or 1h`)
    : Result.succeed(Duration.fromInputUnsafe(`${Number(amount)} ${unit}`))
}
