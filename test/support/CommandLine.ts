/**
 * The command as a process of its own: built once from the sources, started with nothing of our environment.
 */
import { execFile, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"

const root = fileURLToPath(new URL("../..", import.meta.url))
const entry = fileURLToPath(new URL("./dist/cli/main.js", import.meta.url))

/** Compiles the sources. Type errors are not for these tests to find. */
export const build = () =>
  new Promise<void>((resolve) => {
    const options = ["--outDir", "test/cli/dist", "--declaration", "false", "--declarationMap", "false"]
    const compiler = ["node_modules/typescript/bin/tsc", "--project", "tsconfig.build.json", ...options]
    execFile(process.execPath, compiler, { cwd: root }, () => resolve())
  })

export type Environment = Record<string, string>

/** How a process ended. */
export interface Ending {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A process that ends with the scope at the latest. */
export const start = (args: ReadonlyArray<string>, env: Environment = {}) =>
  startProcess(process.execPath, [entry, ...args], env)

/** The command in a shell, as `"$RUN"`. */
export const shell = (script: string, env: Environment = {}) =>
  Effect.scoped(
    Effect.flatMap(
      startProcess("bash", ["-c", script], { ...env, RUN: `${process.execPath} ${entry} run` }),
      ({ ending }) => ending
    )
  )

/** Runs the command to its end. */
export const finish = (args: ReadonlyArray<string>, env?: Environment) =>
  Effect.scoped(Effect.flatMap(start(args, env), ({ ending }) => ending))

const startProcess = (command: string, args: ReadonlyArray<string>, env: Environment) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(command, args, {
          env: { PATH: process.env["PATH"], TZ: "UTC", ...env },
          stdio: ["ignore", "pipe", "pipe"]
        })
        let stdout = ""
        let stderr = ""
        child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
        child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
        const ending = new Promise<Ending>((resolve) =>
          child.once("close", (code) => resolve({ code, stdout, stderr }))
        )
        return { child, ending, output: () => stdout + stderr }
      }),
      ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
    ),
    ({ child, ending, output }) => ({
      output,
      ending: Effect.promise(() => ending),
      signal: (signal: NodeJS.Signals) => Effect.sync(() => child.kill(signal)),
      /** Waits until the process has said this. */
      says: (text: string) => says(output, text)
    })
  )

const says = (output: () => string, text: string): Effect.Effect<void> =>
  Effect.suspend(() => (output().includes(text) ? Effect.void : Effect.delay(says(output, text), "20 millis")))
