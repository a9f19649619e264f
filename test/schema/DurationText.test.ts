import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import { durationText } from "../../src/schema/DurationText.ts"
import { describeShardEvent, ShardEvent } from "../../src/schema/ShardEvent.ts"

describe("a duration in words", () => {
  const texts: ReadonlyArray<readonly [millis: number, text: string]> = [
    [0, "0 s"],
    [0.2, "1 ms"],
    [850, "850 ms"],
    [1500, "1.5 s"],
    [5045.9105, "5 s"],
    [9990, "10 s"],
    [41_250, "41 s"],
    [59_400, "59 s"],
    [59_800, "1 min"],
    [3_725_000, "1 h 2 min"],
    [90_000_000, "1 d 1 h"]
  ]
  for (const [millis, text] of texts) {
    it(`${millis} ms is "${text}"`, () => assert.strictEqual(durationText(Duration.millis(millis)), text))
  }

  it("is what people read of a wait", () => {
    const event = ShardEvent.Waiting({ shard: 0, at: DateTime.makeUnsafe(0), delay: Duration.millis(5045.9105) })
    assert.strictEqual(describeShardEvent(event), "Next connection in 5 s")
  })

  it("has one format in the whole package", () => {
    const sources = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"))
    assert.isAbove(sources.length, 100)
    assert.deepStrictEqual(
      sources.filter((name) => readFileSync(`src/${name}`, "utf8").includes("Duration.format(")),
      []
    )
  })
})
