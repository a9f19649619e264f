import { stripVTControlCharacters } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as CliOutput from "effect/cli/CliOutput"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { liveLines, sparkline } from "../../src/cli/LiveView.ts"
import type { GatewaySnapshot, ShardSnapshot } from "../../src/schema/GatewaySnapshot.ts"
import { shardStates, type ShardState } from "../../src/schema/ShardStatus.ts"

const at = DateTime.makeUnsafe("2026-01-01T00:00:00Z")
const latency = Option.some(Duration.millis(41))

const shard = (id: number, state: ShardState = "ready"): ShardSnapshot => ({
  id,
  state,
  since: DateTime.subtract(at, { seconds: 90 }),
  latency: state === "ready" ? latency : Option.none(),
  rate: 12,
  reconnects: 1,
  waitingToSend: 0,
  lastReason: Option.some("The connection was closed with 1006 \u001b[31mand a word of the peer's\u0007")
})

const snapshot = (shards: ReadonlyArray<ShardSnapshot>, more: Partial<GatewaySnapshot> = {}): GatewaySnapshot => {
  const ready = shards.filter(({ state }) => state === "ready").length
  const moment = { at, rate: 1234.5, latency, ready }
  return {
    ...moment,
    since: DateTime.subtract(at, { seconds: 3700 }),
    shards,
    history: Array.from({ length: 300 }, (_, n) => ({
      ...moment,
      at: DateTime.subtract(at, { seconds: 300 - n }),
      rate: n
    })),
    changes: Array.from({ length: 200 }, (_, n) => ({
      number: n + 1,
      at,
      shard: n,
      level: n % 3 === 0 ? ("Warn" as const) : ("Info" as const),
      text: `Disconnected: number ${n}, ${"and what was said of it at length ".repeat(6)}`
    })),
    budget: Option.some({ total: 1000, remaining: 984, resetAt: DateTime.add(at, { seconds: 1 }) }),
    queue: { waiting: 0, time: Duration.zero },
    relay: Option.none(),
    ...more
  }
}

const shown = (
  it: GatewaySnapshot,
  columns: number,
  rows: number,
  colours = false,
  notes: ReadonlyArray<string> = []
) => liveLines(it, { notes, screen: { columns, rows, colours } })

const many = (count: number) => Array.from({ length: count }, (_, id) => shard(id, id % 10 === 3 ? "waiting" : "ready"))

describe("the live view", () => {
  for (const [columns, rows] of [
    [80, 24],
    [200, 50],
    [40, 10],
    [10, 3]
  ] as const) {
    for (const count of [0, 1, 16, 1000, 10_000]) {
      it(`fits ${columns}×${rows} with ${count} shards, with colours and without`, () => {
        for (const colours of [true, false]) {
          const lines = shown(snapshot(many(count)), columns, rows, colours, ["Dashboard: http://127.0.0.1:8080/"])
          assert.isAtMost(lines.length, rows)
          for (const line of lines) {
            const plain = stripVTControlCharacters(line)
            assert.isAtMost(CliOutput.displayWidth(plain), columns, plain)
            if (!colours) assert.strictEqual(plain, line)
          }
        }
      })
    }
  }

  it("shows few shards as a table", () => {
    const lines = shown(snapshot([shard(0), shard(1, "waiting")]), 160, 24)
    const row = lines.find((line) => line.startsWith("    1  w waiting")) ?? ""
    assert.include(row, "1 min 30 s")
    assert.include(row, "The connection was closed with 1006 and a word of the peer's")
    assert.include(lines[0] ?? "", "1 of 2 shards ready")
    assert.include(lines[0] ?? "", "1 h 1 min")
  })

  it("shows every one of a thousand shards as a sign where there is room", () => {
    const lines = shown(snapshot(many(1000)), 200, 50)
    const signs = lines.filter((line) => /^ *\d+  [●w ]+$/.test(line)).join("")
    assert.strictEqual(signs.match(/●/g)?.length, 900)
    assert.strictEqual(signs.match(/w/g)?.length, 100)
    assert.isTrue(lines.some((line) => line.startsWith("● 900 ready   w 100 waiting")))
  })

  it("lets shards share a sign, which is the worst of theirs, where there is not", () => {
    const one = Array.from({ length: 4000 }, (_, id) => shard(id, id === 1234 ? "stopped" : "ready"))
    const lines = shown(snapshot(one), 80, 24)
    assert.isTrue(lines.some((line) => /\(a sign is \d+ shards\)/.test(line)))
    const signs = lines.filter((line) => /^ *\d+  [●x ]+$/.test(line)).join("")
    assert.strictEqual(signs.match(/x/g)?.length, 1)
  })

  it("has a sign for every state", () => {
    const lines = shown(snapshot(shardStates.map((state, id) => shard(id, state))), 120, 30).join("\n")
    for (const state of shardStates) assert.include(lines, state)
    assert.notInclude(lines, "?")
  })

  it("tells how many shards wait to identify, and how long still", () => {
    const queue = { waiting: 240, time: Duration.seconds(75) }
    const lines = shown(snapshot(many(300), { queue }), 80, 24)
    assert.isTrue(lines.some((line) => line.includes("240 wait to identify, 1 min 15 s more at least")))
  })

  it("shows the last changes, the newest at the bottom", () => {
    const lines = shown(snapshot([shard(0)]), 80, 24)
    assert.include(lines.at(-2) ?? "", "shard 199: Disconnected")
    assert.include(lines.at(-3) ?? "", "shard 198: Disconnected")
  })
})

describe("the reason of a failure, in the live view at 80 columns", () => {
  const why =
    "Stopped for good: The bot may not use MESSAGE_CONTENT. Enable it in the Developer Portal " +
    "(https://discord.com/developers/applications, your application, Bot), or ask for fewer intents"
  const asText = (lines: ReadonlyArray<string>) => lines.map((line) => line.trim()).join(" ")

  it("is whole among the changes, and the change before it is there, too", () => {
    const [before] = snapshot([]).changes
    const last = { number: 201, at, shard: 3, level: "Fatal" as const, text: why }
    const lines = shown(snapshot([shard(0)], { changes: before === undefined ? [last] : [before, last] }), 80, 24)
    assert.include(asText(lines), `shard 3: ${why}`)
    assert.isTrue(lines.some((line) => line.includes("shard 0: Disconnected: number 0")))
    for (const line of lines) assert.isAtMost(line.length, 80)
  })

  it("is whole below the row of the shard, where there is room", () => {
    const stopped = { ...shard(1, "stopped"), lastReason: Option.some(why) }
    const lines = shown(snapshot([shard(0), stopped, shard(2)], { changes: [] }), 80, 24)
    assert.include(asText(lines), why)
    const place = (id: number) => lines.findIndex((line) => line.startsWith(`    ${id}  `))
    assert.isAbove(place(2), place(1) + 1)
  })

  it("is cut rather than a shard left out", () => {
    const stopped = Array.from({ length: 8 }, (_, id) => ({ ...shard(id, "stopped"), lastReason: Option.some(why) }))
    const lines = shown(snapshot(stopped), 80, 24)
    for (let id = 0; id < 8; id++) assert.isTrue(lines.some((line) => line.startsWith(`    ${id}  x stopped`)))
  })

  it("is that of the newest trouble, too, and a word that is longer than a line is broken", () => {
    const text = `Disconnected: the connection could not be opened: ${"x".repeat(200)} at the end`
    const last = { number: 1, at, shard: 0, level: "Warn" as const, text }
    const lines = shown(snapshot([shard(0)], { changes: [last] }), 80, 24)
    assert.strictEqual(asText(lines).replaceAll(" ", "").includes(text.replaceAll(" ", "")), true)
    for (const line of lines) assert.isAtMost(line.length, 80)
  })
})

describe("its curves", () => {
  it("go from nothing to the highest value", () => {
    assert.strictEqual(sparkline([0, 1, 2, 4]), "▁▃▅█")
    assert.strictEqual(sparkline([0, 0]), "▁▁")
    assert.strictEqual(sparkline([]), "")
  })
})
