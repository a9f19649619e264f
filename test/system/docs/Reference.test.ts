import { existsSync, readFileSync } from "node:fs"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { root } from "../../support/Markdown.ts"
import { run, unreachable } from "../../support/Packed.ts"

describe("the API reference", () => {
  let skips = false
  beforeAll(async () => {
    const installed = await run("npm", ["ci", "--prefix", "docs/reference", "--prefer-offline", "--ignore-scripts"], {
      cwd: root
    })
    skips = installed.code !== 0 && process.env["REQUIRE_SERVICES"] === undefined && unreachable.test(installed.output)
    if (skips) process.stderr.write("skipped: the API reference, for which npm's registry cannot be reached\n")
    else assert.strictEqual(installed.code, 0, installed.output)
  })

  it("is made without a warning, and has every entry and every guide", async (context) => {
    if (skips) return context.skip()
    const { code, output } = await run("npm", ["run", "reference"], { cwd: root })
    assert.strictEqual(code, 0, output)
    const { exports }: { readonly exports: Record<string, unknown> } = JSON.parse(
      readFileSync(`${root}package.json`, "utf8")
    )
    const entries = Object.keys(exports).filter((entry) => entry !== "./package.json")
    assert.include(entries, "./cluster")
    for (const entry of entries) {
      // A page has the name of the file in src.
      const name = entry === "." ? "index" : entry.slice(entry.lastIndexOf("/") + 1)
      const page = `${root}docs/reference/site/modules/${name}.html`
      assert.isTrue(existsSync(page), `${entry} has no page ${page}`)
    }
    assert.include(readFileSync(`${root}docs/reference/site/modules/cluster.html`, "utf8"), "GatewayCluster")
    assert.isTrue(existsSync(`${root}docs/reference/site/documents/getting-started.html`))
  })
})
