/**
 * Standard error: what is said to the user rather than handed to a program. Logs, usage errors and the reason for a
 * failure go here, so that standard output holds nothing but what was asked for.
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
 * Logs, a line each.
 *
 * The gateway logs what it announces in `Gateway.changes`, with the annotation `event`. Those are left out: the commands
 * report the changes themselves, as lines or as logs.
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

/** Says what is wrong with the command line and where to read on, instead of printing the whole help. */
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

/** The command's formatter: a failure is its message, and nothing around it. */
const formatter: CliOutput.Formatter = {
  ...CliOutput.defaultFormatter(),
  formatError: (error) => harmless(error.message)
}

/** Sends logs and errors to standard error. */
export const layer: Layer.Layer<never> = Layer.mergeAll(
  Logger.layer([logger]),
  CliOutput.layer(formatter),
  CliOutput.layerPresenter(presenter)
)

/** A failure that is shown as one message. */
export const failure = (cause: Error, userMessage = cause.message): CliError.UserError =>
  new CliError.UserError({ cause, userMessage })
