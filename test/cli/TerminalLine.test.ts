import { describe, expect, it } from "@effect/vitest"
import * as CliOutput from "effect/cli/CliOutput"
import { harmless, render } from "../../src/cli/TerminalLine.ts"

const plain = (columns: number) => ({ columns, colours: false })

describe("TerminalLine", () => {
  it("leaves a line alone that fits exactly", () => {
    expect(render([{ text: "12345" }, { text: "67890" }], plain(10))).toBe("1234567890")
  })

  it("cuts what is too long, and says so by an ellipsis in the last column", () => {
    expect(render([{ text: "12345" }, { text: "678901" }], plain(10))).toBe("123456789…")
    expect(render([{ text: "12345" }, { text: "67" }, { text: "8" }], plain(5))).toBe("1234…")
  })

  it("counts the columns of wide characters, and splits no emoji", () => {
    for (const text of ["日本語日本語日本語", "👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦", "e\u0301".repeat(20)]) {
      for (const columns of [1, 2, 7, 8, 9, 10]) {
        const line = render([{ text }], plain(columns))
        expect(CliOutput.displayWidth(line)).toBeLessThanOrEqual(columns)
        expect(text.startsWith(line.slice(0, -1))).toBe(true)
      }
    }
    expect(render([{ text: "👩‍👩‍👧‍👦👩‍👩‍👧‍👦" }], plain(3))).toBe("👩‍👩‍👧‍👦…")
  })

  it("colours what is left, and ends every colour", () => {
    const paper = { columns: 4, colours: true }
    expect(render([{ text: "ab", style: "dim" }, { text: "cdef", style: "red" }, { text: "g" }], paper)).toBe(
      "\u001b[2mab\u001b[0m\u001b[31mc\u001b[0m…"
    )
  })

  it("takes out everything that could control a terminal", () => {
    expect(harmless("\u001b[31mred\u001b[0m")).toBe("red")
    expect(harmless("\u001b]0;title\u0007shown")).toBe("shown")
    expect(harmless("\u001b]8;;https://example.com\u001b\\link\u001b]8;;\u001b\\")).toBe("link")
    expect(harmless("two\r\nlines\tand a tab")).toBe("two lines and a tab")
    expect(harmless("a\u0000b\u0007c\u007fd\u0085e\u009bf")).not.toMatch(/\p{Cc}/u)
    expect(harmless("\u202eevil\u2066")).toBe("evil")
    expect(harmless("\u001b\u001b[31m[31m")).not.toContain("\u001b")
    expect(harmless("good morning ☀️ 👩‍👧")).toBe("good morning ☀️ 👩‍👧")
  })
})
