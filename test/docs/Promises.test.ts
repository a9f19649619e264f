import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Figures from "../promises/Figures.ts"
import * as SimulationRecord from "../promises/SimulationRecord.ts"
import * as ClusterReport from "../simulation/cluster/ClusterReport.ts"
import * as Report from "../simulation/Report.ts"

const page = readFileSync(new URL("../../docs/promises.md", import.meta.url), "utf8")

const figures = Figures.figuresOf({
  date: "2026-11-25",
  node: "20.20.2",
  process: Report.ofOutcomes([]),
  cluster: ClusterReport.ofOutcomes([])
})

describe("docs/promises.md", () => {
  it("has the figures that its command writes, and no others", () => {
    assert.sameMembers([...new Set(Figures.namesIn(page))], [...figures.keys()])
  })

  it("is written with them, and is the same page otherwise", () => {
    const written = Figures.write(page, new Map([["process.lost", "17"]]))
    assert.include(written, "<!-- process.lost -->17<!-- / -->")
    assert.strictEqual(Figures.write(written, figures), Figures.write(page, figures))
  })

  it("has a record, after which the next run takes other seeds", () => {
    const entry: SimulationRecord.Entry = {
      date: "2026-11-30",
      node: "20.20.2",
      simulation: "clusters",
      seeds: [1, 2, 3, 900_017],
      virtualHours: 8766,
      faults: 1234,
      failedSeeds: [2]
    }
    const written = SimulationRecord.append(page, [entry])
    assert.include(written, "| 2026-11-30 | 20.20.2 | clusters | 1..3, 900017 | 1.00 | 1,234 | 2 |\n")
    assert.strictEqual(SimulationRecord.lastSeed(written, "clusters"), 900_017)
    assert.strictEqual(
      SimulationRecord.lastSeed(written, "one process"),
      SimulationRecord.lastSeed(page, "one process")
    )
    assert.include(
      SimulationRecord.append(written, [entry]),
      `${written.slice(0, written.indexOf("| 2026-11-30 | 20.20.2 | clusters | 1..3, 900017"))}`
    )
  })
})
