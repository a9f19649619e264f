import { execFile } from "node:child_process"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { blocks, root } from "../../support/Markdown.ts"

describe("the code in the documentation", () => {
  const folder = `${root}test/system/docs/blocks/`
  beforeAll(() => {
    mkdirSync(folder, { recursive: true })
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it("compiles, every block", async () => {
    const typescript = blocks.filter(({ language }) => language === "ts")
    assert.isAbove(typescript.length, 15)
    const files = typescript.map(({ code, given, line, page }) => {
      const name = `${page.replaceAll(/\W/g, "-")}-line-${line}.ts`
      writeFileSync(folder + name, `${given}${code}\nexport {}\n`)
      return name
    })
    // Several blocks stand for a part of a program that is the reader's own.
    writeFileSync(
      `${folder}my-bot.ts`,
      'import type { Gateway, GatewayError } from "disruption-gateway"\nimport type { Effect } from "effect"\n' +
        "export declare const myBot: Effect.Effect<void, GatewayError, Gateway>\n"
    )
    const compilerOptions = { noUnusedLocals: false, plugins: [] }
    writeFileSync(
      `${folder}tsconfig.json`,
      JSON.stringify({
        extends: "../../../../tsconfig.json",
        compilerOptions,
        include: [],
        files: [...files, "my-bot.ts"]
      })
    )
    const output = await new Promise<string>((resolve) => {
      const compiler = `${root}node_modules/typescript/bin/tsc`
      execFile(process.execPath, [compiler, "--project", folder], (_, stdout) => resolve(stdout))
    })
    assert.strictEqual(output, "")
  })
})
