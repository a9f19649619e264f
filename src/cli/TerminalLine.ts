/**
 * One line on a terminal, put together from parts: made harmless, coloured, and cut to the columns there are.
 *
 * Much of what is printed was written by strangers. Nothing in it may move the cursor, change colours or turn the text
 * around, so every part is cleaned before it is coloured.
 */
import { stripVTControlCharacters } from "node:util"
import * as CliOutput from "effect/cli/CliOutput"
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Terminal from "effect/Terminal"

/** How a part looks where there are colours. */
export type Style = keyof typeof styles

/** A piece of a line. */
export interface Part {
  readonly text: string
  readonly style?: Style
}

/** What a line is printed on. */
export interface Paper {
  /** `Infinity` where nothing has to be cut. */
  readonly columns: number
  readonly colours: boolean
}

const styles = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const

/** Standard output as it is now: a terminal may change its width at any time. */
export const paper: Effect.Effect<Paper, never, Stdio.Stdio | Terminal.Terminal> = Effect.gen(function* () {
  const columns = yield* (yield* Terminal.Terminal).columns
  const isTerminal = yield* (yield* Stdio.Stdio).stdoutIsTerminal
  const { canColor } = yield* TerminalCapabilities
  return { columns: isTerminal && columns > 0 ? columns : Infinity, colours: canColor }
})

/** The line, with `…` at its end if it had to be cut. */
export const render = (parts: ReadonlyArray<Part>, { colours, columns }: Paper): string => {
  const clean = parts.map((part) => ({ ...part, text: harmless(part.text) }))
  const paint = ({ style, text }: Part) =>
    colours && style !== undefined && text !== "" ? `\u001b[${styles[style]}m${text}\u001b[0m` : text
  if (clean.reduce((sum, { text }) => sum + widthOf(text), 0) <= columns) return clean.map(paint).join("").trimEnd()

  let room = columns - 1
  let line = ""
  for (const part of clean) {
    const text = beginning(part.text, room)
    line += paint({ ...part, text })
    if (text.length < part.text.length) break
    room -= widthOf(text)
  }
  return `${line}…`
}

/** Text without escape sequences and control characters, on one line. */
export const harmless = (text: string): string =>
  stripVTControlCharacters(text)
    .replace(/[\t\n\v\f\r\u0085\u2028\u2029]+/g, " ")
    .replace(unprintable, "")

/** Control characters (C0, DEL, C1) and those that turn the direction of the text. */
// oxlint-disable-next-line no-control-regex
const unprintable = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** A time of the day where the user is: `17:31:05`. */
export const timeOfDay = (time: DateTime.Utc): string => {
  const { hour, minute, second } = DateTime.toParts(DateTime.setZone(time, DateTime.zoneMakeLocal()))
  return [hour, minute, second].map((part) => String(part).padStart(2, "0")).join(":")
}

const printableAscii = /^[\u0020-\u007e]*$/
const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" })

const widthOf = (text: string): number => (printableAscii.test(text) ? text.length : CliOutput.displayWidth(text))

/** As much of the text as there is room for. What looks like one character is not split. */
const beginning = (text: string, room: number): string => {
  let end = 0
  let rest = room
  for (const { index, segment } of graphemes.segment(text)) {
    rest -= CliOutput.displayWidth(segment)
    if (rest < 0) break
    end = index + segment.length
  }
  return text.slice(0, end)
}
