/**
 * Bots on other libraries, each in a process of its own: test/clients.
 *
 * The libraries of npm are installed by a lockfile and without install scripts, into the folder DISCORD_CLIENTS, which is
 * kept, or a temporary one. discord.py is the one of Debian's python3-discord.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import { run, unreachable } from "./Packed.ts"
import * as Process from "./Process.ts"

/** Libraries installed into a folder. */
export interface Installed {
  readonly folder: string
  readonly dispose: () => void
}

const isRequired = process.env["REQUIRE_SERVICES"] !== undefined

/** Installs those of npm. Undefined where its registry cannot be reached, which is said, and fails with REQUIRE_SERVICES. */
export const install = async (): Promise<Installed | undefined> => {
  const kept = process.env["DISCORD_CLIENTS"]
  const folder = kept ?? mkdtempSync(join(tmpdir(), "disruption-gateway-clients-"))
  const dispose = () => {
    if (kept === undefined) rmSync(folder, { recursive: true, force: true })
  }
  mkdirSync(folder, { recursive: true })
  cpSync(fileURLToPath(new URL("../clients", import.meta.url)), folder, { recursive: true })
  if (existsSync(join(folder, "node_modules"))) return { folder, dispose }
  const flags = ["--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"]
  const installed = await run("npm", ["ci", ...flags], { cwd: folder })
  if (installed.code === 0) return { folder, dispose }
  dispose()
  if (!isRequired && unreachable.test(installed.output)) {
    process.stderr.write("skipped: the tests with other libraries, for which npm's registry cannot be reached\n")
    return undefined
  }
  throw new Error(installed.output)
}

/** Debian's python3-discord is a package of the system's Python, whichever one is first on the path. */
const python = "/usr/bin/python3"

/** Whether discord.py is there. Where it is not, that is said, and fails with REQUIRE_SERVICES. */
export const hasDiscordPy = async (): Promise<boolean> => {
  const { code, output } = existsSync(python)
    ? await run(python, ["-c", "import discord"], { cwd: tmpdir() })
    : { code: 1, output: `There is no ${python}` }
  if (code === 0) return true
  if (isRequired) throw new Error(output)
  process.stderr.write("skipped: the tests with discord.py, for which python3-discord is not installed\n")
  return false
}

/** A bot, by the lines that it prints. */
export interface Bot {
  readonly process: Process.Process
  readonly events: () => number
  /** Members that it was given when it asked for them. */
  readonly members: () => number
  /** Whatever its library warned of, reported as an error or threw. */
  readonly problems: () => ReadonlyArray<string>
  /** What it had come to, for a failure. */
  readonly description: () => string
}

/** Starts a bot; it ends with the scope. */
export const start = (library: string, folder: string, env: Process.Environment) => {
  const options = { cwd: folder, env: { HOME: folder, ...env } }
  const starting =
    library === "discord.py"
      ? Process.start(python, [join(folder, "bots/discord_py.py")], options)
      : Process.start(
          process.execPath,
          [join(folder, "client.mjs"), library.replace("@", "").replace("/", "-")],
          options
        )
  return Effect.map(starting, (process): Bot => {
    const lines = () => process.stdout.split("\n").slice(0, -1)
    const events = () => lines().filter((line) => line.startsWith("event ")).length
    const problems = () =>
      [...lines().filter((line) => !/^(event|members) /.test(line)), ...process.stderr.split("\n")].filter(Boolean)
    return {
      process,
      events,
      members: () =>
        Number(
          lines()
            .find((line) => line.startsWith("members "))
            ?.slice(8) ?? 0
        ),
      problems,
      description: () => `${library}: ${events()} events\n${problems().join("\n")}`
    }
  })
}
