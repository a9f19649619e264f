/**
 * Lines on a terminal, from parts that are sanitized, coloured, and cut to the columns.
 *
 * Much of the text is written by strangers. It must not move the cursor, change colours or reverse the text, so every
 * part is sanitized before it is coloured.
 */
import { stripVTControlCharacters } from "node:util"
import * as CliOutput from "effect/cli/CliOutput"
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Terminal from "effect/Terminal"

/** Style of a part, if the output has colours. */
export type Style = keyof typeof styles

/** Part of a line. */
export interface Part {
  readonly text: string
  readonly style?: Style
}

/** Properties of the output. */
export interface Paper {
  /** Width in characters; `Infinity` if nothing is cut. */
  readonly columns: number
  readonly colours: boolean
}

const styles = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const

/** Current properties of standard output: a terminal may be resized at any time. */
export const paper: Effect.Effect<Paper, never, Stdio.Stdio | Terminal.Terminal> = Effect.gen(function* () {
  const columns = yield* (yield* Terminal.Terminal).columns
  const isTerminal = yield* (yield* Stdio.Stdio).stdoutIsTerminal
  const { canColor } = yield* TerminalCapabilities
  return { columns: isTerminal && columns > 0 ? columns : Infinity, colours: canColor }
})

/** Line of the parts, with `…` at its end if it was cut. */
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

/** The parts as lines of at most these columns, broken between words; those after the first are indented. */
export const wrapped = (
  parts: ReadonlyArray<Part>,
  columns: number,
  indent: number
): ReadonlyArray<ReadonlyArray<Part>> => {
  const last = parts.at(-1)
  const before = parts.slice(0, -1)
  const taken = before.reduce((sum, { text }) => sum + widthOf(harmless(text)), 0)
  // Narrower than this there is nothing to be read.
  if (last === undefined || columns - Math.max(taken, indent) < 16) return [parts]
  const [first = "", ...rest] = wordLines(harmless(last.text), columns - taken, columns - indent)
  return [
    [...before, { ...last, text: first }],
    ...rest.map((text) => [{ text: " ".repeat(indent) }, { ...last, text }])
  ]
}

/** The text in lines: the first in its own room, the others in theirs. A word that is longer is broken. */
const wordLines = (text: string, first: number, others: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let rest = text.trimEnd()
  while (rest !== "") {
    const room = lines.length === 0 ? first : others
    const fitting = beginning(rest, room)
    const space =
      fitting.length === rest.length ? -1 : rest[fitting.length] === " " ? fitting.length : fitting.lastIndexOf(" ")
    const line = space > 0 ? fitting.slice(0, space) : fitting
    lines.push(line)
    rest = rest.slice(line.length).trimStart()
  }
  return lines
}

/** Sanitized text: one line without escape sequences and control characters. */
export const harmless = (text: string): string =>
  stripVTControlCharacters(text)
    .replace(/[\t\n\v\f\r\u0085\u2028\u2029]+/g, " ")
    .replace(unprintable, "")

/** Control characters (C0, DEL, C1) and bidirectional controls. */
// oxlint-disable-next-line no-control-regex
const unprintable = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** Time of day in the local time zone: `17:31:05`. */
export const timeOfDay = (time: DateTime.Utc): string => {
  const { hour, minute, second } = DateTime.toParts(DateTime.setZone(time, DateTime.zoneMakeLocal()))
  return [hour, minute, second].map((part) => String(part).padStart(2, "0")).join(":")
}

const printableAscii = /^[\u0020-\u007e]*$/
const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" })

const widthOf = (text: string): number => (printableAscii.test(text) ? text.length : CliOutput.displayWidth(text))

/** Longest prefix of the text that fits. Grapheme clusters are not split. */
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
