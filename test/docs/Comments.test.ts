import { assert, describe, it } from "@effect/vitest"
import { sources } from "../support/Sources.ts"

const comments = sources.flatMap(({ path, text }) =>
  [...text.matchAll(/^ *(?:\/\*\*|\*|\/\/) (.+)$/gm)].map(([, comment = ""]) => ({ path, comment }))
)

describe("comments", () => {
  it("begin with the noun", () => {
    assert.isAbove(comments.length, 1000)
    assert.deepStrictEqual(
      comments.filter(({ comment }) => /^(?:What|Through what|How|Who|In the midst)\b/.test(comment)),
      []
    )
  })

  it("name Discord's pages by one address", () => {
    const addresses = sources.flatMap(
      ({ text }) => text.match(/https:\/\/[\w.]*discord\.com\/developers\/[^\s"`)]+/g) ?? []
    )
    assert.isAbove(addresses.length, 10)
    assert.deepStrictEqual(
      addresses.filter((address) => !/^https:\/\/discord\.com\/developers\/(?:docs\/|applications)/.test(address)),
      []
    )
  })

  it("and code use the field's words: no others for the same thing", () => {
    const retired =
      /fleet(?!")|doorbell|\bpulse\b|\bgist\b|docket|\btemper\b|believable|status page|disturb|identifyLine|standInLine|doubtUrl|\bConversation\b/i
    const found = sources.flatMap(({ path, text }) =>
      text.split("\n").flatMap((line, n) => (retired.test(line) ? [`${path}:${n + 1}: ${line.trim()}`] : []))
    )
    assert.deepStrictEqual(found, [])
  })
})
