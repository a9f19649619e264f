import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { blocks, page, root } from "../../support/Markdown.ts"
import { run, tsc, unreachable } from "../../support/Packed.ts"

/** The line of a document that installs the package. */
const lineOf = (path: string): ReadonlyArray<string> =>
  /^npm install (effect@.*)$/m.exec(page(path))?.[1]?.split(" ") ?? assert.fail(`${path} has no line that installs`)

const managers: Record<string, (wanted: ReadonlyArray<string>) => readonly [string, ReadonlyArray<string>]> = {
  npm: (wanted) => ["npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts", ...wanted]],
  pnpm: (wanted) => ["npx", ["--yes", "pnpm@9.15.9", "add", "--prefer-offline", "--ignore-scripts", ...wanted]]
}

describe("the install line of the documents, in an empty folder", () => {
  const temporary = mkdtempSync(join(tmpdir(), "disruption-gateway-install-"))
  beforeAll(async () => {
    // `npm run build` has built what is packed.
    const packed = await run("npm", ["pack", "--ignore-scripts", "--pack-destination", temporary], { cwd: root })
    assert.strictEqual(packed.code, 0, packed.output)
  })
  afterAll(() => rmSync(temporary, { recursive: true, force: true }))

  it("is the same in all of them", () => {
    assert.deepStrictEqual(lineOf("README.md"), lineOf("docs/getting-started.md"))
    assert.deepStrictEqual(lineOf("README.md"), lineOf("AGENTS.md"))
  })

  for (const [manager, commandOf] of Object.entries(managers)) {
    it(`brings all that the first guide imports, by ${manager}`, async (context) => {
      const folder = join(temporary, manager)
      mkdirSync(folder)
      writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "a-bot", private: true, type: "module" }))
      const wanted = lineOf("docs/getting-started.md").map((name) => name.replace(/^\.\//, `${temporary}/`))
      const [command, args] = commandOf([...wanted, "@types/node@24"])
      const installed = await run(command, args, { cwd: folder })
      if (installed.code !== 0 && process.env["REQUIRE_SERVICES"] === undefined && unreachable.test(installed.output)) {
        process.stderr.write(`skipped: the install line by ${manager}, whose registry cannot be reached\n`)
        return context.skip()
      }
      assert.strictEqual(installed.code, 0, installed.output)
      const guide = blocks.filter(({ language, page }) => language === "ts" && page === "docs/getting-started.md")
      assert.isAbove(guide.length, 5)
      const files = guide.map(({ code, given, line }) => {
        writeFileSync(join(folder, `line-${line}.ts`), `${given}${code}\nexport {}\n`)
        return `line-${line}.ts`
      })
      const compilerOptions = {
        module: "nodenext",
        target: "es2022",
        lib: ["es2023", "dom", "dom.iterable"],
        strict: true,
        skipLibCheck: true,
        noEmit: true,
        types: ["node"]
      }
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files }))
      const { code, output } = await tsc(["--project", "."], folder)
      assert.strictEqual(code, 0, output)
    })
  }
})
