import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Installed, install, run, tsc } from "../../support/Packed.ts"
import * as Process from "../../support/Process.ts"

const manifest: { readonly exports: Record<string, unknown>; readonly bin: Record<string, string> } = JSON.parse(
  readFileSync(new URL("../../../package.json", import.meta.url), "utf8")
)
const readme = readFileSync(new URL("../../../README.md", import.meta.url), "utf8")
const firstProgram = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? ""

/** The package's entries, but for its manifest. */
const entries = Object.keys(manifest.exports)
  .filter((entry) => entry !== "./package.json")
  .map((entry) => entry.replace(/^\./, "disruption-gateway"))

/** The entry whose client is installed only where it is used. */
const natsEntry = "disruption-gateway/relay/nats"

const root = fileURLToPath(new URL("../../..", import.meta.url))

describe("the package, installed into an empty folder", () => {
  let installed: Installed | undefined
  beforeAll(async () => {
    installed = await install()
  })
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
      const imports = entries
        .filter((entry) => entry !== natsEntry)
        .map((entry) => `await import("${entry}")`)
        .join(";")
      const { code, output } = await run(process.execPath, ["--input-type=module", "--eval", imports], { cwd: folder })
      assert.strictEqual(code, 0, output)
      assert.isTrue(existsSync(join(folder, "node_modules/disruption-gateway/src/index.ts")))
    })
  )

  it(
    "says what the relay on NATS takes where it is not installed, and can be imported where it is",
    inFolder(async (folder) => {
      const load = ["--input-type=module", "--eval", `await import("${natsEntry}")`]
      const without = await run(process.execPath, load, { cwd: folder })
      assert.match(without.output, /Cannot find package '@nats-io\/[\w-]+'/)
      // In this folder it is, and the package finds itself by its name.
      const { code, output } = await run(process.execPath, load, { cwd: root })
      assert.strictEqual(code, 0, output)
    })
  )

  it(
    "runs the README's first program against npx disruption-gateway simulate",
    inFolder(async (folder) => {
      writeFileSync(join(folder, "program.ts"), firstProgram)
      const options = ["--module", "nodenext", "--target", "es2022", "--types", "node", "--skipLibCheck"]
      const compiled = await tsc([...options, "--outDir", "run", "--ignoreConfig", "program.ts"], folder)
      assert.strictEqual(compiled.code, 0, compiled.output)

      await Effect.runPromise(
        Effect.scoped(
          Effect.gen(function* () {
            const npx = ["--no-install", "disruption-gateway", "simulate", "--incidents", "none"]
            const home = process.env["HOME"]
            const simulate = yield* Process.start("npx", npx, {
              cwd: folder,
              env: home === undefined ? {} : { HOME: home }
            })
            const [, DISCORD_TOKEN = "", DISCORD_API_URL = ""] = yield* simulate.says(
              /export DISCORD_TOKEN=(\S+)\nexport DISCORD_API_URL=(\S+)\n/
            )
            // As the README says: text comes with this intent only.
            const DISCORD_INTENTS = "GUILDS,GUILD_MESSAGES,MESSAGE_CONTENT"
            const env = { DISCORD_TOKEN, DISCORD_API_URL, DISCORD_INTENTS }
            const bot = yield* Process.start(process.execPath, ["run/program.js"], { cwd: folder, env })
            yield* bot.says(/INFO.*: \S.*: \S/)
          })
        )
      )
    })
  )
})
