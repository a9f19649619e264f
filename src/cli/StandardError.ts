/**
 * Standard error: logs, usage errors and the reason for a failure. Standard output thus has only the requested output.
 */
import * as Cause from "effect/Cause"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { format } from "effect/Formatter"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import { harmless, timeOfDay } from "./TerminalLine.ts"

/**
 * Logger with one line per message.
 *
 * It skips messages with the annotation `event`: the gateway logs them for `Gateway.changes`, which the commands report
 * themselves.
 */
const logger = Logger.make(({ cause, date, fiber, logLevel, message }) => {
  const annotations = fiber.getRef(References.CurrentLogAnnotations)
  if ("event" in annotations) return
  const words = [
    timeOfDay(DateTime.makeUnsafe(date)),
    logLevel.toUpperCase().padEnd(5),
    ...[message].flat().map((part) => harmless(typeof part === "string" ? part : format(part))),
    ...Object.entries(annotations).map(([key, value]) => `${key}=${String(value)}`)
  ]
  const out = fiber.getRef(Console.Console)
  out.error(words.join(" "))
  if (cause.reasons.length > 0) out.error(Cause.pretty(cause))
})

/** Presenter of usage errors: the errors and a pointer to `--help`, not the whole help. */
const presenter: CliOutput.Presenter = {
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.forEach(
          [...event.errors.flatMap(({ message }) => message.split("\n")), `See: ${event.commandPath.join(" ")} --help`],
          (line) => Console.error(harmless(line)),
          { discard: true }
        )
      : CliOutput.defaultPresenter.present(event)
}

/** Formatter of failures: the bare message. */
const formatter: CliOutput.Formatter = {
  ...CliOutput.defaultFormatter(),
  formatError: (error) => harmless(error.message)
}

/** Logger, formatter and presenter on standard error. */
export const layer: Layer.Layer<never> = Layer.mergeAll(
  Logger.layer([logger]),
  CliOutput.layer(formatter),
  CliOutput.layerPresenter(presenter)
)

/** User error with one message. */
export const failure = (cause: Error, userMessage = cause.message): CliError.UserError =>
  new CliError.UserError({ cause, userMessage })
