/**
 * Lines of `run`: one for each payload, for people or as JSON, and one for each change of a connection.
 */
import type * as DateTime from "effect/DateTime"
import type * as LogLevel from "effect/LogLevel"
import type * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { Payload } from "../schema/Payload.ts"
import { describeShardEvent, levelOfShardEvent, type ShardEvent } from "../schema/ShardEvent.ts"
import { summaryOf } from "./EventSummary.ts"
import { type Paper, type Part, render, type Style, timeOfDay } from "./TerminalLine.ts"

/** Line of a dispatch for people: time, shard, sequence, name and summary, cut to the terminal's width. */
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

/**
 * Line of a payload for programs: the JSON of the wire, with the shard's number first. None for one that is nested too deeply
 * to be written: reading JSON knows no depth, writing it does.
 */
export const jsonLine = ({ d, op, s, shard, t }: Payload): Option.Option<string> =>
  Result.getSuccess(Result.try(() => JSON.stringify({ shard, op, t, s, d })))

/**
 * Line of a connection's change for people. A mark sets it apart even without colours. It is never cut, as it may tell
 * the user what to do.
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
