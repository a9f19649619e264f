import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { root } from "../../support/Markdown.ts"

/** A statement of a file of declarations. */
interface Statement {
  readonly kind: string
  readonly name: string
  readonly isExported: boolean
  readonly text: string
}

/** A file of declarations: what it declares, and what it takes from files of its own package. */
interface Declarations {
  readonly statements: ReadonlyArray<Statement>
  /** Names of types with the files that they come from. */
  readonly imports: ReadonlyMap<string, { readonly file: string; readonly name: string }>
  /** Namespaces with their files. */
  readonly namespaces: ReadonlyMap<string, string>
}

const withoutProse = (text: string) => text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/"[^".\n][^"\n]*"/g, '""')

const namesIn = (list: string) =>
  [...list.matchAll(/(?:type )?(\w+)(?: as (\w+))?\s*(?:,|$)/g)].map(([, name = "", as = name]) => ({ name, as }))

const declarationsFile = (from: string, target: string) => join(dirname(from), target.replace(/\.ts$/, ".d.ts"))

const read = (file: string): Declarations => {
  const text = readFileSync(`${root}dist/${file}`, "utf8")
  const starts = [
    ...text.matchAll(
      /^(export )?(?:declare )?(?:abstract )?(class|const|let|function|interface|type|enum|namespace) (\w+)/gm
    )
  ]
  return {
    statements: starts.map(({ 1: exported, 2: kind = "", 3: name = "", index }, n) => ({
      kind,
      name,
      isExported: exported !== undefined,
      text: withoutProse(text.slice(index, starts[n + 1]?.index))
    })),
    imports: new Map(
      [...text.matchAll(/^import (?:type )?\{([^}]*)\} from "(\.[^"]+)"/gm)].flatMap(([, list = "", target = ""]) =>
        namesIn(list).map(({ as, name }) => [as, { file: declarationsFile(file, target), name }] as const)
      )
    ),
    namespaces: new Map(
      [...text.matchAll(/^import (?:type )?\* as (\w+) from "(\.[^"]+)"/gm)].map(
        ([, name = "", target = ""]) => [name, declarationsFile(file, target)] as const
      )
    )
  }
}

const files = new Map<string, Declarations>()
const declarationsOf = (file: string): Declarations => {
  const declarations = files.get(file) ?? read(file)
  files.set(file, declarations)
  return declarations
}

/** Exports of an entry: the file of each name, and the name. */
const exportsOf = (file: string): ReadonlyArray<readonly [file: string, name: string]> => {
  const text = readFileSync(`${root}dist/${file}`, "utf8")
  const passedOn = [...text.matchAll(/^export (?:type )?(?:(\*) as \w+|\{([^}]*)\}) from "(\.[^"]+)"/gm)].flatMap(
    ([, all, list = "", target = ""]) => {
      const from = declarationsFile(file, target)
      return all === undefined ? namesIn(list).map(({ name }) => originOf(from, name)) : exportsOf(from)
    }
  )
  const own = declarationsOf(file).statements.flatMap(({ isExported, name }) =>
    isExported ? [[file, name] as const] : []
  )
  return [...passedOn, ...own]
}

/** The file that declares what another exports. */
const originOf = (file: string, name: string): readonly [file: string, name: string] =>
  declarationsOf(file).statements.some((statement) => statement.name === name)
    ? [file, name]
    : (exportsOf(file).find(([, exported]) => exported === name) ?? [file, name])

/** The types that a declaration names, in its own file and in others. */
const typesOf = (file: string, name: string): ReadonlyArray<string> => {
  const { imports, namespaces, statements } = declarationsOf(file)
  const text = statements
    .filter((statement) => statement.name === name)
    .map((statement) => statement.text)
    .join("\n")
  const words = new Set(text.match(/\b[A-Za-z]\w*/g))
  const own = statements.filter((statement) => statement.name !== name && words.has(statement.name))
  return [
    ...own.flatMap(({ kind, name }) => (kind === "const" ? typesOf(file, name) : [`${file}#${name}`])),
    ...[...imports].flatMap(([as, from]) => (words.has(as) ? [originOf(from.file, from.name).join("#")] : [])),
    ...[...namespaces].flatMap(([as, from]) =>
      [...text.matchAll(new RegExp(`\\b${as}\\.(\\w+)`, "g"))].map(([, name = ""]) => originOf(from, name).join("#"))
    ),
    ...[...text.matchAll(/\bimport\("(\.[^"]+)"\)\.(\w+)/g)].map(([, target = "", name = ""]) =>
      originOf(declarationsFile(file, target), name).join("#")
    )
  ]
}

describe("the package's types", () => {
  it("can all be imported that a public signature names", () => {
    const exported = ["index", "node", "cluster", "dashboard", "testing"].flatMap((entry) => exportsOf(`${entry}.d.ts`))
    const importable = new Set(exported.map((origin) => origin.join("#")))
    assert.isAbove(importable.size, 150)
    const hidden = exported.flatMap(([file, name]) =>
      typesOf(file, name).flatMap((type) => (importable.has(type) ? [] : [`${name} (${file}) names ${type}`]))
    )
    assert.deepStrictEqual([...new Set(hidden)], [])
  })
})
