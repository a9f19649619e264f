/**
 * Activity of the simulated Discord's clients, as lines for people.
 *
 * Polling: the simulator keeps records, not a feed, so this compares them several times a second.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { describeCloseCode } from "../schema/CloseCode.ts"
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import { DiscordSimulator } from "../simulator/DiscordSimulator.ts"
import type { ConnectionEnd, ConnectionRecord } from "../simulator/Observations.ts"
import { type Part, type Style, timeOfDay } from "./TerminalLine.ts"

/** Activity of the clients from now on, each event as the parts of a line. */
export const activity: Stream.Stream<ReadonlyArray<Part>, never, DiscordSimulator> = Stream.unwrap(
  Effect.map(DiscordSimulator, (simulator) => {
    /** Open connections at the last poll; true if the line about their session was written. */
    const open = new Map<number, boolean>()
    let lastId = 0

    const news = (connection: ConnectionRecord, now: number): ReadonlyArray<ReadonlyArray<Part>> => {
      const told = open.get(connection.id)
      if (told === undefined && connection.id <= lastId) return []
      const session = established(connection)
      const line = (at: number, text: string, style: Style) => lineOf(connection, at, text, style)
      const lines: Array<ReadonlyArray<Part>> = []
      if (told === undefined) lines.push(line(connection.openedAt, `connected to ${connection.url}`, "cyan"))
      if (told !== true && session !== undefined) lines.push(line(now, session, "green"))
      if (connection.end !== undefined) lines.push(line(connection.end.at, ended(connection.end), "yellow"))

      lastId = Math.max(lastId, connection.id)
      if (connection.end === undefined) open.set(connection.id, session !== undefined)
      else open.delete(connection.id)
      return lines
    }

    return Stream.tick("100 millis").pipe(
      Stream.mapEffect(() => Effect.all([simulator.connections, Clock.currentTimeMillis])),
      Stream.map(([connections, now]) => connections.flatMap((connection) => news(connection, now))),
      Stream.flattenIterable
    )
  })
)

const lineOf = ({ id }: ConnectionRecord, at: number, text: string, style: Style): ReadonlyArray<Part> => [
  { text: `${timeOfDay(DateTime.makeUnsafe(at))} `, style: "dim" },
  { text: `connection ${id}: ` },
  { text, style }
]

/** Text on the connection's session: resumed or identified. */
const established = ({ frames, sessionId, shard }: ConnectionRecord): string | undefined => {
  if (sessionId === undefined) return undefined
  const isResumed = frames.some(({ op }) => op === GatewayOpcode.Resume)
  return `${isResumed ? "resumed" : "identified as"} shard ${shard ?? 0}, session ${sessionId}`
}

const ended = ({ by, code, how, reason }: ConnectionEnd): string => {
  const who = by === "client" ? "the client" : "the simulator"
  if (how === "drop") return `dropped by ${who}, without a close frame`
  const meaning =
    reason || (by === "client" ? keptBy(code) : code === undefined ? "" : (describeCloseCode(code)?.name ?? ""))
  return `closed by ${who} with ${code ?? "no code"}${meaning === "" ? "" : ` (${meaning})`}`
}

/**
 * Effect of a client's close on its session; the names of the codes are for what Discord closes with.
 *
 * Discord, "Disconnecting": https://discord.com/developers/docs/events/gateway#disconnecting
 */
const keptBy = (code: number | undefined): string =>
  code === 1000 || code === 1001 ? "the session has ended" : "the session can be resumed"
