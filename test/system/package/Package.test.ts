import { spawn } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { type Installed, install, run, tsc } from "../../support/Packed.ts"

const manifest: { readonly exports: Record<string, unknown>; readonly bin: Record<string, string> } = JSON.parse(
  readFileSync(new URL("../../../package.json", import.meta.url), "utf8")
)
const readme = readFileSync(new URL("../../../README.md", import.meta.url), "utf8")
const firstProgram = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? ""

/** What the package has to import, but for its manifest. */
const entries = Object.keys(manifest.exports)
  .filter((entry) => entry !== "./package.json")
  .map((entry) => entry.replace(/^\./, "disruption-gateway"))

describe("the package, installed into an empty folder", { timeout: 120_000 }, () => {
  let installed: Installed | undefined
  beforeAll(async () => {
    installed = await install()
  }, 180_000)
  afterAll(() => installed?.dispose())

  const inFolder = (test: (folder: string) => Promise<void>) => async (context: { readonly skip: () => void }) => {
    if (installed === undefined) return context.skip()
    await test(installed.folder)
  }

  for (const [module, moduleResolution] of [
    ["nodenext", "nodenext"],
    ["esnext", "bundler"]
  ] as const) {
    it(
      `has types for TypeScript with moduleResolution ${moduleResolution}`,
      inFolder(async (folder) => {
        const imports = entries.map((entry, n) => `import * as entry${n} from "${entry}"\nvoid entry${n}\n`)
        writeFileSync(join(folder, "entries.ts"), imports.join(""))
        writeFileSync(join(folder, "program.ts"), firstProgram)
        const compilerOptions = {
          module,
          moduleResolution,
          target: "es2022",
          lib: ["es2023", "dom", "dom.iterable", "dom.asynciterable"],
          strict: true,
          exactOptionalPropertyTypes: true,
          // Effect's and Node's own declarations are not for us to check.
          skipLibCheck: true,
          types: ["node"],
          outDir: "compiled"
        }
        const tsconfig = join(folder, `tsconfig.${moduleResolution}.json`)
        writeFileSync(tsconfig, JSON.stringify({ compilerOptions, files: ["entries.ts", "program.ts"] }))
        const { code, output } = await tsc(["--project", tsconfig], folder)
        assert.strictEqual(code, 0, output)
      })
    )
  }

  it(
    "can be imported, every entry, with source maps to the sources that it brings",
    inFolder(async (folder) => {
      const imports = entries.map((entry) => `await import("${entry}")`).join(";")
      const { code, output } = await run(process.execPath, ["--input-type=module", "--eval", imports], { cwd: folder })
      assert.strictEqual(code, 0, output)
      assert.isTrue(existsSync(join(folder, "node_modules/disruption-gateway/src/index.ts")))
    })
  )

  it(
    "runs the README's first program against npx disruption-gateway simulate",
    inFolder(async (folder) => {
      writeFileSync(join(folder, "program.ts"), firstProgram)
      const options = ["--module", "nodenext", "--target", "es2022", "--types", "node", "--skipLibCheck"]
      const compiled = await tsc([...options, "--outDir", "run", "--ignoreConfig", "program.ts"], folder)
      assert.strictEqual(compiled.code, 0, compiled.output)

      const start = (command: string, args: ReadonlyArray<string>, env: Record<string, string> = {}) => {
        const child = spawn(command, args, { cwd: folder, detached: true, env: { ...process.env, ...env } })
        let output = ""
        for (const stream of [child.stdout, child.stderr]) {
          stream.setEncoding("utf8").on("data", (text: string) => (output += text))
        }
        const says = async (pattern: RegExp) => {
          for (let n = 0; n < 600; n++) {
            const match = pattern.exec(output)
            if (match !== null) return match
            await new Promise((resolve) => setTimeout(resolve, 50))
          }
          throw new Error(`It did not say ${pattern}: ${output}`)
        }
        // npx starts another process, so the group is ended.
        const stop = () => child.pid !== undefined && process.kill(-child.pid, "SIGKILL")
        return { says, stop }
      }
      const simulate = start("npx", ["--no-install", "disruption-gateway", "simulate", "--incidents", "none"])
      try {
        const [, token = ""] = await simulate.says(/DISCORD_TOKEN=(\S+)/)
        const [, apiUrl = ""] = await simulate.says(/DISCORD_API_URL=(\S+)/)
        const bot = start(process.execPath, ["run/program.js"], { DISCORD_TOKEN: token, DISCORD_API_URL: apiUrl })
        try {
          await bot.says(/INFO.*: \S.*: \S/)
        } finally {
          bot.stop()
        }
      } finally {
        simulate.stop()
      }
    })
  )
})
