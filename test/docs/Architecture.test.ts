import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { page, root } from "../support/Markdown.ts"

const source = `${root}src/`

/** The folder that a file of `src` is in, or the entry that it is. */
const placeOf = (path: string): string => path.split("/")[0] ?? ""

const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"))

/** Imports in `src`, by folders and entries. */
const imports = new Set(
  files.flatMap((file) =>
    [...readFileSync(source + file, "utf8").matchAll(/from "(\.[^"]+)"/g)]
      .map(([, target = ""]) => relative(source, join(source, dirname(file), target)))
      .filter((target) => target !== "version.ts" && placeOf(target) !== placeOf(file))
      .map((target) => `${placeOf(file)} --> ${placeOf(target)}`)
  )
)

const drawing = /```mermaid\n([\s\S]*?)```/.exec(page("docs/architecture.md"))?.[1] ?? ""
/** The names of the drawing's boxes: an entry's is its file. */
const boxes = new Map([...drawing.matchAll(/(\w+)\[(\w+\.ts)<br/g)].map(([, box = "", file = ""]) => [box, file]))
const drawn = new Set(
  [...drawing.matchAll(/^ {2}(\w+)(?:\[[^\]]*\])? --> (\w+)/gm)].map(
    ([, from = "", to = ""]) => `${boxes.get(from) ?? from} --> ${boxes.get(to) ?? to}`
  )
)

describe("the drawing of the architecture", () => {
  it("has every import between folders, and no other", () => {
    assert.isAbove(imports.size, 10)
    assert.deepStrictEqual([...drawn].toSorted(), [...imports].toSorted())
  })

  it("names only files that there are", () => {
    const named = [
      ...page("docs/architecture.md").matchAll(/`((?:schema|services|shard|gateway|node|cluster|relay)\/\w+\.ts)`/g)
    ].map(([, file]) => file)
    assert.isAbove(named.length, 10)
    assert.deepStrictEqual(
      named.filter((file) => file === undefined || !files.includes(file)),
      []
    )
  })
})
