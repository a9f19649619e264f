import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { root } from "../support/Markdown.ts"
import { sources } from "../support/Sources.ts"

const textOf = (path: string): string => sources.find((source) => source.path === path)?.text ?? ""

interface Export {
  readonly entry: string
  readonly name: string
  /** The file that declares it. */
  readonly path: string
}

/** The files and names that a file exports from others: `*` for all of a module. */
const reexportsOf = (path: string) =>
  [...textOf(path).matchAll(/^export (?:type )?(\*|\{[^}]*\})(?: as (\w+))? from "(\.[^"]+)"/gm)].map(
    ([, what = "", as, target = ""]) => ({
      as,
      path: join(dirname(path), target),
      names:
        what === "*"
          ? undefined
          : [...what.matchAll(/(?:type )?(\w+)(?: as \w+)?\s*[,}]/g)].map(([, name = ""]) => name)
    })
  )

/** The declarations that a file exports, each with the doc comment before it. */
const declarationsOf = (path: string) =>
  [
    ...textOf(path).matchAll(
      /(?:(\/\*\*(?:(?!\*\/)[\s\S])*\*\/)\n)?^export (?:declare )?(?:abstract )?(?:class|const|function|interface|type|namespace) (\w+)/gm
    )
  ].map(([, comment = "", name = ""]) => ({ comment, name }))

/** Follows a name to the file that declares it. */
const declaredIn = (path: string, name: string): string => {
  const via = reexportsOf(path).find(({ names }) => names?.includes(name))
  return via === undefined ? path : declaredIn(via.path, name)
}

const entries = ["index", "node", "cluster", "relay", "dashboard", "testing"]

const modules = entries.flatMap((entry) =>
  reexportsOf(`${entry}.ts`).flatMap(({ names, path }) => (names === undefined ? [path] : []))
)

const exported: ReadonlyArray<Export> = entries.flatMap((entry) =>
  reexportsOf(`${entry}.ts`).flatMap(({ names, path }) =>
    (names ?? declarationsOf(path).map(({ name }) => name)).map((name) => ({
      entry,
      name,
      path: declaredIn(path, name)
    }))
  )
)

describe("the public API", () => {
  it("says of every export since when it is there and of which category it is", () => {
    assert.isAbove(exported.length, 150)
    const untagged = exported.flatMap(({ entry, name, path }) => {
      const declarations = declarationsOf(path).filter((declaration) => declaration.name === name)
      const isTagged = declarations.every(
        ({ comment }) => /^ \* @since \d+\.\d+\.\d+$/m.test(comment) && /^ \* @category [a-z]+$/m.test(comment)
      )
      return isTagged && declarations.length > 0 ? [] : [`${entry}: ${name} (${path})`]
    })
    assert.deepStrictEqual(untagged, [])
  })

  it("says of every module since when it is there", () => {
    assert.isAbove(modules.length, 5)
    const untagged = modules.filter((path) => !/^\/\*\*(?:(?!\*\/)[\s\S])*@since/.test(textOf(path)))
    assert.deepStrictEqual(untagged, [])
  })

  it("has effect, and the optional @effect/platform-node and client of NATS, of the program, and no copy of its own", () => {
    const manifest: {
      readonly dependencies: Record<string, string>
      readonly peerDependencies: Record<string, string>
      readonly peerDependenciesMeta: Record<string, { readonly optional: boolean }>
    } = JSON.parse(readFileSync(`${root}package.json`, "utf8"))
    const optional = {
      "@effect/platform-node": "^4.1.0",
      "@nats-io/jetstream": "^3.4.0",
      "@nats-io/transport-node": "^3.4.0"
    }
    assert.deepStrictEqual(manifest.peerDependencies, { ...optional, effect: "^4.1.0" })
    assert.deepStrictEqual(
      manifest.peerDependenciesMeta,
      Object.fromEntries(Object.keys(optional).map((peer) => [peer, { optional: true }]))
    )
    for (const peer of Object.keys(manifest.peerDependencies)) assert.notProperty(manifest.dependencies, peer)
  })
})
