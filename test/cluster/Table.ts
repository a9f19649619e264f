/**
 * Tables of the documentation that a measurement writes: each between two comments, with a row for each name. A measurement of
 * some rows leaves the others as they are.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"

/** Bundled, this file is in `test/dist` or below it. */
const page = fileURLToPath(
  new URL(
    import.meta.url.includes("/dist/shared/") ? "../../../docs/cluster.md" : "../../docs/cluster.md",
    import.meta.url
  )
)

/** Writes a row, whose first cell is its name, in place of the one of before or after the others. */
export const writeRow = (table: string, cells: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.sync(() => {
    const text = readFileSync(page, "utf8")
    const begin = `<!-- ${table} -->`
    const from = text.indexOf(begin)
    const to = text.indexOf(`<!-- /${table} -->`)
    if (from < 0 || to < 0) throw new Error(`docs/cluster.md has no table ${table}`)
    const lines = text
      .slice(from + begin.length, to)
      .split("\n")
      .filter((line) => line.startsWith("|"))
    const row = `| ${cells.join(" | ")} |`
    const nameOf = (line: string) => line.split("|")[1]?.trim()
    const place = lines.findIndex((line) => nameOf(line) === cells[0])
    if (place < 0) lines.push(row)
    else lines[place] = row
    writeFileSync(page, `${text.slice(0, from + begin.length)}\n\n${lines.join("\n")}\n\n${text.slice(to)}`)
  })
