/**
 * What `run` prints: a line for every payload, for people or for programs, and a line for what happens to a connection.
 */
import type * as DateTime from "effect/DateTime"
import type * as LogLevel from "effect/LogLevel"
import type { Payload } from "../schema/Payload.ts"
import { describeShardEvent, levelOfShardEvent, type ShardEvent } from "../schema/ShardEvent.ts"
import { summaryOf } from "./EventSummary.ts"
import { type Paper, type Part, render, type Style, timeOfDay } from "./TerminalLine.ts"

/** A dispatch for people: time, shard, sequence, name and gist, no longer than the terminal is wide. */
export const dispatchLine = (payload: Payload, at: DateTime.Utc, paper: Paper): string =>
  render(
    [
      { text: `${timeOfDay(at)} `, style: "dim" },
      { text: `${payload.shard} ${String(payload.s ?? "").padStart(5)}  `, style: "dim" },
      { text: (payload.t ?? "").padEnd(20), style: "bold" },
      { text: `  ${summaryOf(payload)}` }
    ],
    paper
  )

/** A payload for programs: JSON as on the wire, behind the number of its shard. */
export const jsonLine = ({ d, op, s, shard, t }: Payload): string => JSON.stringify({ shard, op, t, s, d })

/**
 * A change of a connection for people. It stands out by its mark, with and without colours, and is never cut: it may be
 * what the user has to read.
 */
export const changeLine = (event: ShardEvent, paper: Paper): string => {
  const style = styleOf(event)
  const mark: Part = { text: style === "yellow" || style === "red" ? "▲▲ " : "── ", style }
  return render(
    [
      { text: `${timeOfDay(event.at)} `, style: "dim" },
      mark,
      { text: `shard ${event.shard}: ${describeShardEvent(event)}`, style }
    ],
    { ...paper, columns: Infinity }
  )
}

const styleOf = (event: ShardEvent): Style =>
  event._tag === "Ready" || event._tag === "Resumed" ? "green" : styles[levelOfShardEvent(event)]

const styles: Record<LogLevel.Severity, Style> = {
  Trace: "cyan",
  Debug: "cyan",
  Info: "cyan",
  Warn: "yellow",
  Error: "red",
  Fatal: "red"
}
