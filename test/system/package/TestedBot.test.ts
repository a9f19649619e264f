import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { blocks } from "../../support/Markdown.ts"
import { type Installed, install, run, unreachable } from "../../support/Packed.ts"

const blockOf = (page: string, has: string): string => {
  const found = blocks.find((block) => block.page === page && block.language === "ts" && block.code.includes(has))
  return found?.code ?? assert.fail(`${page} has no block with ${has}`)
}

/** The README's first program as a module: its bot, without the run. */
const bot = blockOf("README.md", "NodeRuntime.runMain")
  .replace(/^bot\.pipe.*$/m, "")
  .replace("const bot =", "export const myBot =")

/** Bots that are broken, each in its own way. */
const broken: Record<string, string> = {
  "reads a field that is not there": bot.replace("d.author.username", "d.member.user.username"),
  "fails in its handler": bot.replace("Effect.log(", "Effect.fail("),
  "throws before it has subscribed": bot.replace(
    "const gateway = yield* Gateway",
    'const gateway = yield* Gateway\n  yield* Effect.die(new TypeError("no such table"))'
  )
}

describe("the documents' tests of a bot, where the package is installed", () => {
  let installed: Installed | undefined
  let skips = false
  beforeAll(async () => {
    installed = await install()
    if (installed === undefined) return
    const flags = ["--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"]
    // vitest 5 also on Node.js 20, where its reporter takes the guide's configuration.
    const wanted = ["--save-dev", "vitest@5.1.1", "@effect/vitest@4.0.5"]
    const outcome = await run("npm", ["install", ...flags, ...wanted], { cwd: installed.folder })
    skips = outcome.code !== 0 && process.env["REQUIRE_SERVICES"] === undefined && unreachable.test(outcome.output)
    if (!skips) assert.strictEqual(outcome.code, 0, outcome.output)
    writeFileSync(join(installed.folder, "vitest.config.ts"), blockOf("docs/testing.md", "defineConfig"))
  })
  afterAll(() => installed?.dispose())

  const tests = {
    "README.md": blockOf("README.md", "it.effect("),
    "docs/testing.md": blockOf("docs/testing.md", "it.effect("),
    "AGENTS.md": blockOf("AGENTS.md", "it.effect(")
  }

  it("are green for the README's bot, and red with the reason for one that is broken", async (context) => {
    if (installed === undefined || skips) return context.skip()
    const { folder } = installed
    for (const [page, test] of Object.entries(tests)) {
      for (const [how, program] of Object.entries({ sound: bot, ...broken })) {
        if (how !== "sound") assert.notStrictEqual(program, bot)
        const place = join(folder, "tested", page, how.replaceAll(" ", "-"))
        mkdirSync(place, { recursive: true })
        writeFileSync(join(place, "my-bot.ts"), program)
        writeFileSync(join(place, "my-bot.test.ts"), test)
      }
    }
    const reporters = ["--reporter=default", "--reporter=json", "--outputFile.json=report.json"]
    const { output } = await run("npx", ["--no-install", "vitest", "run", ...reporters], {
      cwd: folder,
      env: { NO_COLOR: "1" }
    })
    const report: {
      readonly testResults: ReadonlyArray<{
        readonly name: string
        readonly status: string
        readonly assertionResults: ReadonlyArray<{ readonly failureMessages: ReadonlyArray<string> }>
      }>
    } = JSON.parse(readFileSync(join(folder, "report.json"), "utf8"))
    assert.lengthOf(report.testResults, Object.keys(tests).length * (1 + Object.keys(broken).length), output)
    for (const { assertionResults, name, status } of report.testResults) {
      const isSound = name.includes("/sound/")
      assert.strictEqual(status, isSound ? "passed" : "failed", `${name}\n${output}`)
      const said = assertionResults.flatMap(({ failureMessages }) => failureMessages).join("\n")
      if (!isSound) assert.include(said, "the bot has ended", name)
    }
    assert.include(output, "the bot has ended", "a red run is told, on Node.js 20 too")
    assert.notInclude(output, "Map.groupBy")
  })
})
