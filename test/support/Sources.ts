/**
 * The files of `src`, as the tests of their form read them.
 */
import { readdirSync, readFileSync } from "node:fs"
import { root } from "./Markdown.ts"

/** A file, by its path from `src`. */
export interface Source {
  readonly path: string
  readonly text: string
}

export const sources: ReadonlyArray<Source> = readdirSync(`${root}src`, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((path) => ({ path, text: readFileSync(`${root}src/${path}`, "utf8") }))
