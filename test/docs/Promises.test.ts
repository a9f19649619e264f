import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Figures from "../promises/Figures.ts"
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
})
