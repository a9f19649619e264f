/**
 * Live view as lines: a snapshot of a gateway laid out for a terminal's columns and rows.
 *
 * Few shards are shown as a table, many as one sign each. With more shards than room, neighbours share a sign, which
 * shows the worst state among them.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { durationText } from "../schema/DurationText.ts"
import type { ConnectionChange, GatewaySnapshot, ShardSnapshot } from "../schema/GatewaySnapshot.ts"
import type { ShardState } from "../schema/ShardStatus.ts"
import { type Paper, type Part, render, type Style, timeOfDay, wrapped } from "./TerminalLine.ts"

/** Size and colours of the terminal. */
export interface Screen extends Paper {
  readonly rows: number
}

/** Sign and style of each state, from the best to the worst. */
const looks: ReadonlyArray<readonly [ShardState, sign: string, style: Style]> = [
  ["ready", "●", "green"],
  ["resuming", "r", "cyan"],
  ["identifying", "i", "cyan"],
  ["queued", "q", "dim"],
  ["greeting", "c", "yellow"],
  ["connecting", "c", "yellow"],
  ["waiting", "w", "red"],
  ["stopped", "x", "red"]
]

const rankOf = (state: ShardState) => looks.findIndex(([name]) => name === state)
const lookOf = (state: ShardState) => looks[rankOf(state)] ?? ([state, "?", "dim"] as const)

/** Lines of the view: at most `rows`, each at most `columns` wide. */
export const liveLines = (
  snapshot: GatewaySnapshot,
  { notes, screen }: { readonly screen: Screen; readonly notes: ReadonlyArray<string> }
): ReadonlyArray<string> => {
  const head: ReadonlyArray<ReadonlyArray<Part>> = [
    headline(snapshot),
    pace(snapshot, screen.columns),
    ...budget(snapshot),
    ...notes.map((text): ReadonlyArray<Part> => [{ text, style: "dim" }]),
    []
  ]
  const hint: ReadonlyArray<Part> = [{ text: "q ends it", style: "dim" }]
  const free = Math.max(0, screen.rows - head.length - 1)
  // The changes get at least a third of the rows, and any that the shards leave free.
  const forShards = shards(snapshot, screen.columns, Math.max(2, free - Math.max(3, Math.floor(free / 3))))
  const forChanges = Math.max(0, free - forShards.length - 1)
  const body = [
    ...forShards,
    ...(forChanges > 0 ? [[]] : []),
    ...(forChanges > 0 ? changes(snapshot.changes.slice(-forChanges), screen.columns).slice(-forChanges) : [])
  ]
  const filling = Array.from({ length: Math.max(0, free - body.length) }, (): ReadonlyArray<Part> => [])
  return [...head, ...body.slice(0, free), ...filling, hint].slice(0, screen.rows).map((parts) => render(parts, screen))
}

const number = new Intl.NumberFormat("en", { maximumFractionDigits: 0 })

const headline = ({ at, ready, shards, since }: GatewaySnapshot): ReadonlyArray<Part> => {
  const total = shards.length
  const all = ready === total && total > 0
  return [
    { text: "disruption-gateway  ", style: "bold" },
    {
      text: `${number.format(ready)} of ${number.format(total)} shard${total === 1 ? "" : "s"} ready`,
      style: all ? "green" : "yellow"
    },
    { text: `  for ${formatTime(DateTime.distance(since, at))}`, style: "dim" }
  ]
}

const pace = ({ history, latency, rate }: GatewaySnapshot, columns: number): ReadonlyArray<Part> => {
  const room = Math.max(8, Math.min(60, Math.floor((Number.isFinite(columns) ? columns : 80) - 44)))
  return [
    { text: "events/s ", style: "dim" },
    { text: number.format(rate).padStart(6) },
    { text: "  " },
    { text: sparkline(history.map(({ rate }) => rate).slice(-room)), style: "cyan" },
    { text: "  latency ", style: "dim" },
    { text: latencyText(latency) }
  ]
}

const budget = ({ budget, queue }: GatewaySnapshot): ReadonlyArray<ReadonlyArray<Part>> => {
  const left = Option.match(budget, {
    onNone: (): ReadonlyArray<Part> => [],
    onSome: ({ remaining, total }): ReadonlyArray<Part> => [
      { text: "IDENTIFYs left today ", style: "dim" },
      { text: `${number.format(remaining)} of ${number.format(total)}` }
    ]
  })
  const said = `${number.format(queue.waiting)} wait to identify, ${formatTime(queue.time)} more at least`
  const waiting: ReadonlyArray<Part> = queue.waiting === 0 ? [] : [{ text: said, style: "yellow" }]
  return [left, waiting].filter((parts) => parts.length > 0)
}

// ---------------------------------------------------------------------------------------------------------------------
// Shards
// ---------------------------------------------------------------------------------------------------------------------

const shards = ({ at, shards }: GatewaySnapshot, columns: number, rows: number): ReadonlyArray<ReadonlyArray<Part>> =>
  shards.length < rows ? table(shards, at, columns, rows) : grid(shards, columns, rows)

const table = (
  shards: ReadonlyArray<ShardSnapshot>,
  at: DateTime.Utc,
  columns: number,
  rows: number
): ReadonlyArray<ReadonlyArray<Part>> => {
  const title: Part = {
    text: "shard  state          for         latency   events/s  reconnects  last reason",
    style: "dim"
  }
  let spare = rows - shards.length - 1
  const lines = shards.flatMap((shard) => {
    const [first = [], ...reason] = row(shard, at, columns)
    if (reason.length > spare)
      return [[...first, { text: `  ${reasonOf(shard)}`, style: "dim" }] satisfies ReadonlyArray<Part>]
    spare -= reason.length
    return [first, ...reason]
  })
  return [[title], ...lines]
}

const reasonOf = (shard: ShardSnapshot): string => Option.getOrElse(shard.lastReason, () => "")

/** A shard's row. Why it is not connected is below it, whole, where it does not fit into the row. */
const row = (shard: ShardSnapshot, at: DateTime.Utc, columns: number): ReadonlyArray<ReadonlyArray<Part>> => {
  const [, sign, style] = lookOf(shard.state)
  const figures: ReadonlyArray<Part> = [
    { text: String(shard.id).padStart(5) },
    { text: `  ${sign} ${shard.state.padEnd(13)}`, style },
    { text: formatTime(DateTime.distance(shard.since, at)).padEnd(12) },
    { text: latencyText(shard.latency).padEnd(10) },
    { text: number.format(shard.rate).padStart(8) },
    { text: number.format(shard.reconnects).padStart(12) }
  ]
  const reason: Part = { text: `  ${reasonOf(shard)}`, style: "dim" }
  const width = figures.reduce((sum, { text }) => sum + text.length, reason.text.length)
  if (width <= columns || shard.state === "ready") return [[...figures, reason]]
  return [
    figures,
    ...wrapped([{ text: " ".repeat(reasonIndent) }, { ...reason, text: reasonOf(shard) }], columns, reasonIndent)
  ]
}

/** Below the sign of the shard's state. */
const reasonIndent = 9

/** Signs in groups of ten. Each line begins with the number of its first shard. */
const grid = (
  shards: ReadonlyArray<ShardSnapshot>,
  columns: number,
  rows: number
): ReadonlyArray<ReadonlyArray<Part>> => {
  const counts = looks.flatMap(([state, sign, style]): ReadonlyArray<Part> => {
    const count = shards.filter((shard) => shard.state === state).length
    return count === 0 ? [] : [{ text: `${sign} ${number.format(count)} ${state}   `, style }]
  })
  const label = String(shards.length).length + 2
  const groups = Math.max(1, Math.floor(((Number.isFinite(columns) ? columns : 80) - label) / 11))
  const room = groups * 10 * Math.max(1, rows - 1)
  const together = Math.ceil(shards.length / room)
  const lines: Array<ReadonlyArray<Part>> = []
  for (let at = 0; at < shards.length; at += groups * 10 * together) {
    const line: Array<Part> = [{ text: `${String(shards[at]?.id ?? "").padStart(label - 2)}  `, style: "dim" }]
    for (let n = 0; n < groups * 10; n++) {
      const these = shards.slice(at + n * together, at + (n + 1) * together)
      if (these.length === 0) break
      const [, sign, style] = lookOf(worstOf(these))
      line.push({ text: n % 10 === 9 ? `${sign} ` : sign, style })
    }
    lines.push(merged(line))
  }
  const scale: ReadonlyArray<Part> = together > 1 ? [{ text: `(a sign is ${together} shards)`, style: "dim" }] : []
  return [[...counts, ...scale], ...lines]
}

const worstOf = (shards: ReadonlyArray<ShardSnapshot>): ShardState =>
  shards.reduce<ShardState>((worst, { state }) => (rankOf(state) > rankOf(worst) ? state : worst), "ready")

/** Run-length merging of parts with the same style, for fewer escape sequences. */
const merged = (parts: ReadonlyArray<Part>): ReadonlyArray<Part> => {
  const result: Array<Part> = []
  for (const part of parts) {
    const last = result.at(-1)
    if (last !== undefined && last.style === part.style) {
      result[result.length - 1] = { ...last, text: last.text + part.text }
    } else {
      result.push(part)
    }
  }
  return result
}

// ---------------------------------------------------------------------------------------------------------------------
// Words and curves
// ---------------------------------------------------------------------------------------------------------------------

const changeStyles: Partial<Record<ConnectionChange["level"], Style>> = { Warn: "yellow", Error: "red", Fatal: "red" }

/** Changes as lines. What a person has to mend is whole, and so is the newest warning; others are a line each. */
const changes = (latest: ReadonlyArray<ConnectionChange>, columns: number): ReadonlyArray<ReadonlyArray<Part>> =>
  latest.flatMap((change, n) => {
    const parts = changeParts(change)
    const isWhole = wholeLevels.has(change.level) || (change.level === "Warn" && n === latest.length - 1)
    return isWhole ? wrapped(parts, columns, changeIndent) : [parts]
  })

const wholeLevels: ReadonlySet<ConnectionChange["level"]> = new Set<ConnectionChange["level"]>(["Error", "Fatal"])

/** Below the text, behind the time of day. */
const changeIndent = 9

const changeParts = ({ at, level, shard, text }: ConnectionChange): ReadonlyArray<Part> => {
  const style = changeStyles[level]
  const said = `shard ${shard}: ${text}`
  return [{ text: `${timeOfDay(at)} `, style: "dim" }, style === undefined ? { text: said } : { text: said, style }]
}

const latencyText = (latency: Option.Option<Duration.Duration>): string =>
  Option.match(Option.map(latency, Duration.toMillis), {
    onNone: () => "–",
    onSome: (millis) => `${millis < 10 ? millis.toFixed(1) : number.format(millis)} ms`
  })

const bars = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const

/** Sparkline: a bar for each value, on a scale from zero to the highest. */
export const sparkline = (values: ReadonlyArray<number>): string => {
  const most = Math.max(0, ...values)
  return values.map((value) => bars[most === 0 ? 0 : Math.round((value / most) * (bars.length - 1))] ?? "").join("")
}

/** Whole seconds: the view is drawn once a second. */
const formatTime = (time: Duration.Duration): string =>
  durationText(Duration.seconds(Math.round(Duration.toSeconds(time))))
