/**
 * A client as a command: it finds its Discord in the environment, writes a line of JSON for each event that it delivers, and takes
 * requests as lines of JSON.
 *
 * Environment: DISCORD_TOKEN, DISCORD_API_URL, INCIDENT_SHARDS, INCIDENT_SESSIONS (a file for its sessions). Lines that it writes:
 * `{"t":"MESSAGE_CREATE","content":"…"}` and `{"problem":"…"}`. Lines that it takes: `{"ask":"presence"}`, `{"ask":"members","guild":"…"}`,
 * `{"ask":"stop"}`, each with `times`.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Process from "../support/Process.ts"
import type { Need } from "./Incident.ts"
import type { Line } from "./Wire.ts"

/** A library, and how its client is started. */
export interface Client {
  readonly name: string
  readonly version: string
  readonly command: readonly [command: string, ...args: ReadonlyArray<string>]
  readonly has: ReadonlyArray<Need>
}

const Written = Schema.fromJsonString(
  Schema.Struct({
    t: Schema.optionalKey(Schema.NullOr(Schema.String)),
    content: Schema.optionalKey(Schema.String),
    problem: Schema.optionalKey(Schema.String)
  })
)
const decode = Schema.decodeUnknownOption(Written)

/** A client that runs. */
export class RunningClient {
  private readonly process: Process.Process
  private read = 0
  private readonly delivered: Array<Line> = []
  private problems: ReadonlyArray<string> = []

  constructor(process: Process.Process) {
    this.process = process
  }

  /** Takes a request, so many times. */
  ask(what: "presence" | "members" | "stop", more: { readonly times?: number; readonly guild?: string } = {}) {
    return this.process.type(`${JSON.stringify({ ask: what, ...more })}\n`)
  }

  get kill(): Effect.Effect<void> {
    return Effect.andThen(this.process.kill, Effect.asVoid(this.process.ending))
  }

  get lines(): ReadonlyArray<Line> {
    this.readOn()
    return this.delivered
  }

  /** The last of what was thrown or reported. */
  get problem(): string | undefined {
    this.readOn()
    return this.problems.at(-1)
  }

  /** How the process ended, with the first words of what it threw. */
  get ended(): string | undefined {
    if (!this.process.hasEnded) return undefined
    const thrown = /^\s*(?:\w*Error\b.*|\w+ \[\w+\]: .*)$/m.exec(this.process.stderr)?.[0].trim()
    return `the process ends${thrown === undefined ? "" : `: ${thrown.slice(0, 120)}`}`
  }

  private readOn(): void {
    const { stdout } = this.process
    const end = stdout.lastIndexOf("\n")
    if (end < this.read) return
    for (const text of stdout.slice(this.read, end).split("\n")) {
      const line = Option.getOrUndefined(decode(text))
      if (line?.problem !== undefined) this.problems = [...this.problems.slice(-9), line.problem]
      if (line?.t !== undefined && line.t !== null) this.delivered.push({ t: line.t, content: line.content })
    }
    this.read = end + 1
  }
}

/** Starts a client; it ends with the scope. */
export const start = (
  client: Client,
  env: Process.Environment,
  cwd: string
): Effect.Effect<RunningClient, never, Scope.Scope> => {
  const [command, ...args] = client.command
  // A home of its own: a library that keeps the times of its IDENTIFYs finds none of the incident before.
  const home = { HOME: cwd, XDG_STATE_HOME: cwd }
  return Effect.map(
    Process.start(command, args, { cwd, env: { ...home, ...env }, input: true }),
    (process) => new RunningClient(process)
  )
}

/** Bundled, this file is in `test/dist` or below it. */
const root = fileURLToPath(new URL(import.meta.url.includes("/dist/shared/") ? "../../../" : "../../", import.meta.url))

const versionIn = (path: string): string =>
  Schema.decodeSync(Schema.fromJsonString(Schema.Struct({ version: Schema.String })))(
    readFileSync(join(path, "package.json"), "utf8")
  ).version

/** The client of this library. */
export const own: Client = {
  name: "disruption-gateway",
  version: versionIn(root),
  command: [process.execPath, join(root, "test/dist/incident-bot.js")],
  has: ["presence", "members", "sessions", "probe", "stop", "directory"]
}

interface Peer {
  readonly name: string
  /** The package whose version counts. */
  readonly package: string
  readonly bot: string
  /** Beyond presences, members and a stop, which each has. */
  readonly has: ReadonlyArray<Need>
}

const peers: ReadonlyArray<Peer> = [
  { name: "@discordjs/ws", package: "@discordjs/ws", bot: "discordjs-ws", has: ["sessions", "directory"] },
  { name: "discord.js", package: "discord.js", bot: "discord.js", has: ["directory"] },
  // Its REST client can be led to another address only as to a proxy of its user's, which is to do the retries.
  { name: "@discordeno/gateway", package: "@discordeno/gateway", bot: "discordeno", has: [] },
  { name: "cloudstorm", package: "cloudstorm", bot: "cloudstorm", has: ["directory"] },
  { name: "oceanic.js", package: "oceanic.js", bot: "oceanic.js", has: ["directory"] },
  { name: "eris", package: "eris", bot: "eris", has: ["directory"] }
]

export const names: ReadonlyArray<string> = [own.name, ...peers.map(({ name }) => name)]

/** The clients of other libraries, installed into a folder. */
export const installedIn = (folder: string): ReadonlyArray<Client> =>
  peers.map(({ bot, has, name, package: of }) => ({
    name,
    version: versionIn(join(folder, "node_modules", of)),
    command: [process.execPath, join(folder, "incident.mjs"), bot],
    has: ["presence", "members", "stop", ...has]
  }))
