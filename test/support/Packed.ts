/**
 * The package as a user gets it: packed, and installed from the tarball into an empty folder.
 */
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** Output and exit code of a command. */
export interface Outcome {
  readonly code: number
  readonly output: string
}

/** Runs a command to its end. */
export const run = (
  command: string,
  args: ReadonlyArray<string>,
  options: { readonly cwd: string; readonly env?: Record<string, string> }
): Promise<Outcome> =>
  new Promise((resolve) => {
    const env = { ...process.env, ...options.env }
    execFile(command, args, { cwd: options.cwd, env, maxBuffer: 1e8 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : 1, output: stdout + stderr })
    })
  })

/** TypeScript's compiler, the project's own. */
export const tsc = (args: ReadonlyArray<string>, cwd: string) =>
  run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), ...args], { cwd })

/** An empty project into which the package was installed. */
export interface Installed {
  readonly folder: string
  readonly dispose: () => void
}

/** Output of npm where its registry cannot be reached. */
export const unreachable = /ENOTFOUND|EAI_AGAIN|ENETUNREACH|ECONNREFUSED|ENOTCACHED|ETIMEDOUT/

/**
 * Packs and installs. Undefined where npm's registry cannot be reached, which is said, and fails where REQUIRE_SERVICES is
 * set.
 */
export const install = async (): Promise<Installed | undefined> => {
  const temporary = mkdtempSync(join(tmpdir(), "disruption-gateway-package-"))
  const dispose = () => rmSync(temporary, { recursive: true, force: true })
  // `npm run build` has built what is packed.
  const packed = await run("npm", ["pack", "--ignore-scripts", "--pack-destination", temporary], { cwd: root })
  const tarball = readdirSync(temporary).find((name) => name.endsWith(".tgz"))
  if (packed.code !== 0 || tarball === undefined) throw new Error(packed.output)

  const folder = join(temporary, "project")
  mkdirSync(folder)
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "a-bot", private: true, type: "module" }))
  const flags = ["--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"]
  const wanted = [join(temporary, tarball), "effect@^4.1.0", "@effect/platform-node@4.1.0", "@types/node@24"]
  const installed = await run("npm", ["install", ...flags, ...wanted], { cwd: folder })
  if (installed.code === 0) return { folder, dispose }
  dispose()
  if (process.env["REQUIRE_SERVICES"] === undefined && unreachable.test(installed.output)) {
    process.stderr.write("skipped: the tests that install the package, for which npm's registry cannot be reached\n")
    return undefined
  }
  throw new Error(installed.output)
}
