import { assert, describe, it } from "@effect/vitest"
import { style } from "../../src/dashboard/PageStyle.ts"
import { shardStates } from "../../src/schema/ShardStatus.ts"

/** Relative luminance. WCAG 2.2, "Relative luminance": https://www.w3.org/TR/WCAG22/#dfn-relative-luminance */
const luminance = (colour: string): number => {
  const hex = colour.length === 4 ? colour.replace(/[\da-f]/g, "$&$&") : colour
  const [red = 0, green = 0, blue = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

const contrast = (one: string, other: string): number => {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].toSorted((a, b) => a - b)
  return (light + 0.05) / (dark + 0.05)
}

/** The least contrast of text. WCAG 2.2, 1.4.3 (AA). */
const least = 4.5

const schemes = ["light", "dark"] as const

/** A colour of the style in each scheme: `#fff`, `light-dark(#…, #…)` or a variable of one. */
const inSchemes = (value: string): Record<(typeof schemes)[number], string> => {
  const named = /^var\((--\w+)\)$/.exec(value)?.[1]
  const meant = named === undefined ? value : (new RegExp(`${named}: ([^;]+);`).exec(style)?.[1] ?? value)
  const [, light = meant, dark = meant] = /^light-dark\((#\w+), (#\w+)\)$/.exec(meant) ?? []
  assert.match(light, /^#([\da-f]{3}){1,2}$/, value)
  assert.match(dark, /^#([\da-f]{3}){1,2}$/, value)
  return { light, dark }
}

const onTiles = /\.sign, #grid button \{[^}]* color: ([^;]+);/.exec(style)?.[1] ?? ""
const backgroundOf = (state: string) =>
  new RegExp(`\\[data-state="${state}"\\][^{]*\\{ background: ([^;]+);`).exec(style)?.[1] ?? ""

describe("the dashboard's text", () => {
  it("computes contrast as WCAG does", () => {
    assert.closeTo(contrast("#fff", "#000000"), 21, 0.001)
    assert.closeTo(contrast("#777777", "#ffffff"), 4.48, 0.005)
  })

  for (const scheme of schemes) {
    it(`can be read on the tile of each state (${scheme})`, () => {
      for (const state of shardStates) {
        const ratio = contrast(inSchemes(onTiles)[scheme], inSchemes(backgroundOf(state))[scheme])
        assert.isAtLeast(ratio, least, `${state}: ${ratio.toFixed(2)} : 1`)
      }
    })

    it(`can be read on the page and on its boxes (${scheme})`, () => {
      const colours = [...style.matchAll(/(?<![\w-])color: ((?:var|light-dark)\([^;]+\))[;\s}]/g)].map(
        ([, colour = ""]) => colour
      )
      assert.isAbove(colours.length, 8)
      for (const colour of colours) {
        for (const ground of ["var(--ground)", "var(--tile)"]) {
          const ratio = contrast(inSchemes(colour)[scheme], inSchemes(ground)[scheme])
          assert.isAtLeast(ratio, least, `${colour} on ${ground}: ${ratio.toFixed(2)} : 1`)
        }
      }
    })
  }
})
