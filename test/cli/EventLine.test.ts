import { describe, expect, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import { changeLine, dispatchLine, jsonLine } from "../../src/cli/EventLine.ts"
import { timeOfDay } from "../../src/cli/TerminalLine.ts"
import { ConnectionClosed } from "../../src/schema/ConnectionError.ts"
import { ShardEvent } from "../../src/schema/ShardEvent.ts"

const paper = { columns: 60, colours: false }
const at = DateTime.makeUnsafe("2026-08-01T12:30:15Z")

const payload = (t: string, d: unknown) => ({ op: 0, t, s: 42, d, shard: 3 })

describe("EventLine", () => {
  it("tells time, shard, sequence, name and summary of a dispatch", () => {
    const line = dispatchLine(payload("MESSAGE_CREATE", { author: { username: "ada" }, content: "hi" }), at, paper)
    expect(line).toBe(`${timeOfDay(at)} 3    42  MESSAGE_CREATE        ada: hi`)
  })

  it("keeps a long message within the terminal", () => {
    const d = { author: { username: "ada" }, content: "so ".repeat(1000) }
    expect(dispatchLine(payload("MESSAGE_CREATE", d), at, paper)).toHaveLength(60)
  })

  it("prints a payload as JSON with the shard first, on one line", () => {
    expect(jsonLine({ op: 0, d: { content: "a\nb" }, s: 42, t: "MESSAGE_CREATE", shard: 0 })).toEqual(
      Option.some('{"shard":0,"op":0,"t":"MESSAGE_CREATE","s":42,"d":{"content":"a\\nb"}}')
    )
    expect(jsonLine({ op: 11, d: null, s: null, t: null, shard: 1 })).toEqual(
      Option.some('{"shard":1,"op":11,"t":null,"s":null,"d":null}')
    )
  })

  it("has no line for a payload that is nested too deeply to be written", () => {
    const d: unknown = JSON.parse("[".repeat(100_000) + "]".repeat(100_000))
    expect(jsonLine(payload("MESSAGE_CREATE", d))).toEqual(Option.none())
  })

  it("marks a lost connection so that it stands out without colours, and does not cut it", () => {
    const closeReason = "because ".repeat(20)
    const lost = ShardEvent.Disconnected({ shard: 0, at, reason: new ConnectionClosed({ code: 4000, closeReason }) })
    const line = changeLine(lost, paper)
    expect(line.startsWith(`${timeOfDay(at)} ▲▲ shard 0: Disconnected: Closed with 4000`)).toBe(true)
    expect(line).not.toContain("…")
    expect(changeLine(ShardEvent.Ready({ shard: 0, at, sessionId: "s" }), paper)).toContain(" ── shard 0: Ready")
  })

  it("colours a lost connection yellow and a new session green", () => {
    const colours = { ...paper, colours: true }
    const lost = ShardEvent.Disconnected({
      shard: 0,
      at,
      reason: new ConnectionClosed({ code: 4000, closeReason: "" })
    })
    expect(changeLine(lost, colours)).toContain("\u001b[33m")
    expect(changeLine(ShardEvent.Ready({ shard: 0, at, sessionId: "s" }), colours)).toContain("\u001b[32m")
  })
})
