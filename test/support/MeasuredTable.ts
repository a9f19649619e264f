/**
 * Tables of the documentation that a measurement writes: each between two comments, with a row for each name. A measurement of
 * some rows leaves the others as they are.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"

/** Bundled, this file is in `test/dist` or below it. */
const folder = import.meta.url.includes("/dist/shared/") ? "../../../docs/" : "../../docs/"

const begin = (table: string) => `<!-- ${table} -->`
const end = (table: string) => `<!-- /${table} -->`

/** A table of a page. */
export interface MeasuredTable {
  readonly page: string
  readonly table: string
}

/** Changes the rows of a table. */
const change = ({ page, table }: MeasuredTable, by: (rows: ReadonlyArray<string>) => ReadonlyArray<string>) =>
  Effect.sync(() => {
    const path = fileURLToPath(new URL(folder + page, import.meta.url))
    const text = readFileSync(path, "utf8")
    const from = text.indexOf(begin(table)) + begin(table).length
    const to = text.indexOf(end(table))
    if (from < begin(table).length || to < 0) throw new Error(`docs/${page} has no table ${table}`)
    const rows = text
      .slice(from, to)
      .split("\n")
      .filter((line) => line.startsWith("|"))
    writeFileSync(path, `${text.slice(0, from)}\n\n${by(rows).join("\n")}\n\n${text.slice(to)}`)
  })

const cellsOf = (row: string) =>
  row
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim())
const rowOf = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`

/** Writes the last cell of the row of this name. */
export const writeLastCell = (table: MeasuredTable, name: string, cell: string): Effect.Effect<void> =>
  change(table, (rows) => {
    if (!rows.some((row) => cellsOf(row)[0] === name)) throw new Error(`the table ${table.table} has no row ${name}`)
    return rows.map((row) => {
      const cells = cellsOf(row)
      return cells[0] === name ? rowOf([...cells.slice(0, -1), cell]) : row
    })
  })

/** Writes a row, whose first cell is its name, in place of the one of before or after the others. */
export const writeRow = (table: MeasuredTable, cells: ReadonlyArray<string>): Effect.Effect<void> =>
  change(table, (rows) =>
    rows.some((row) => cellsOf(row)[0] === cells[0])
      ? rows.map((row) => (cellsOf(row)[0] === cells[0] ? rowOf(cells) : row))
      : [...rows, rowOf(cells)]
  )
