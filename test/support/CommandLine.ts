/**
 * The command as a process of its own, as it is published: `npm run build` has bundled it.
 */
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as Process from "./Process.ts"

/** The file that is run. */
export const entry = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url))

/** Starts the command; it ends with the scope at the latest. */
export const start = (args: ReadonlyArray<string>, options?: Process.Options) =>
  Process.start(process.execPath, [entry, ...args], options)

/** Runs the command to its end. */
export const finish = (args: ReadonlyArray<string>, env?: Process.Environment) =>
  Process.finish(process.execPath, [entry, ...args], { env })

/** A shell in which `"$RUN"` is `disruption-gateway run`. */
export const shell = (script: string, env: Process.Environment = {}) =>
  Process.finish("bash", ["-c", script], { env: { ...env, RUN: `${process.execPath} ${entry} run` } })

/** The environment of a bot on a served simulator. */
export const environment = Effect.map(DiscordSimulator, ({ apiUrl, token }) => ({
  DISCORD_TOKEN: Redacted.value(token),
  DISCORD_API_URL: apiUrl
}))
