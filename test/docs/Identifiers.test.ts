import { assert, describe, it } from "@effect/vitest"
import { type Source, sources } from "../support/Sources.ts"

/** The keys of a file's services and references, each with the name of what it is the key of. */
const keysIn = ({ path, text }: Source) =>
  [
    ...text.matchAll(/class (\w+) extends Context\.Service<[\s\S]*?>\(\)\(\s*"([^"]+)"/g),
    ...text.matchAll(/const (\w+)[^=]*= Context\.Reference(?:<[^(]*>)?\(\s*"([^"]+)"/g)
  ].map(([, name = "", key = ""]) => ({ path, name, key }))

describe("identifiers", () => {
  it("of services are the paths of their files, as Effect's are", () => {
    const keys = sources.flatMap(keysIn)
    const made = sources.flatMap(({ text }) => text.match(/(?:extends|=) Context\.(?:Service|Reference|Key)\b/g) ?? [])
    assert.isAbove(keys.length, 8)
    assert.strictEqual(keys.length, made.length)
    for (const { key, name, path } of keys) {
      const file = `disruption-gateway/${path.replace(/\.ts$/, "")}`
      assert.strictEqual(key, file.endsWith(`/${name}`) ? file : `${file}/${name}`)
    }
  })

  it("of errors are in the package's namespace and end with the error's name", () => {
    const errors = sources.flatMap(({ text }) => [
      ...text.matchAll(/class (\w+) extends Schema\.TaggedError<\w+>\(\s*"([^"]+)"\s*\)\(\s*"(\w+)"/g)
    ])
    const made = sources.flatMap(({ text }) => text.match(/\b(?:Schema|Data)\.(?:Tagged)?Error(?:Class)?\b[<(]/g) ?? [])
    assert.isAbove(errors.length, 30)
    assert.strictEqual(errors.length, made.length)
    for (const [, name = "", identifier = "", tag = ""] of errors) {
      assert.match(identifier, new RegExp(`^disruption-gateway/(?:GatewayError/)?${name}$`))
      assert.strictEqual(tag, name)
    }
  })
})
