import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import { DiscordSimulator } from "../../../src/simulator/DiscordSimulator.ts"
import * as Database from "../../cluster/Database.ts"
import { environment } from "../../support/CommandLine.ts"
import { hasPostgres, hasRedis } from "../../support/LocalServices.ts"
import { page, root } from "../../support/Markdown.ts"
import { untilTrue } from "../../support/Patience.ts"
import * as Process from "../../support/Process.ts"

/** The commands of a section, in their order. */
const commandsOf = (title: string): string => {
  const section = page("docs/deploys.md").split(`\n## ${title}\n`)[1]?.split("\n## ")[0] ?? ""
  const commands = [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, code]) => code).join("\n")
  assert.isAbove(commands.length, 0, title)
  return commands
}

const folder = Effect.acquireRelease(
  Effect.sync(() => {
    const path = mkdtempSync(join(tmpdir(), "deploys-"))
    symlinkSync(join(root, "examples/dist/rolling-deploy.js"), join(path, "bot.js"))
    symlinkSync(join(root, "examples/dist/cluster/bot.js"), join(path, "machine.js"))
    return path
  }),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const freePort = Effect.callback<string>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(String(port))))
  })
})

/** Numbers of the messages that the logs of a folder tell of. */
const handledIn = (path: string) =>
  readdirSync(path)
    .filter((name) => name.endsWith(".log"))
    .flatMap((name) => [...readFileSync(join(path, name), "utf8").matchAll(/ada(\d+): /g)].map(([, n]) => Number(n)))

const logsOf = (path: string) =>
  readdirSync(path)
    .filter((name) => name.endsWith(".log"))
    .map((name) => `${name}:\n${readFileSync(join(path, name), "utf8").slice(-2000)}`)
    .join("\n")

/** Runs the commands under load, and then ends all that they have started. Gives what became of the messages. */
const run = Effect.fnUntraced(function* (commands: string, env: Process.Environment) {
  const simulator = yield* DiscordSimulator
  const path = yield* folder
  let dispatched = 0
  const dispatching = yield* Effect.forkScoped(
    Effect.forever(
      Effect.delay(
        Effect.suspend(() => {
          const d = { guild_id: "1", author: { username: `ada${dispatched++}` }, content: "hello" }
          return simulator.dispatch("MESSAGE_CREATE", d)
        }),
        "20 millis"
      )
    ).pipe(Effect.delay("1 second"))
  )
  const script = `set -euo pipefail\n${commands}\necho deployed\nread -r end\nkill -TERM $(jobs -p)\nwait || true\necho ended\n`
  const shell = yield* Process.start("bash", ["-c", script], {
    cwd: path,
    env: { ...(yield* environment), ...env },
    input: true
  })
  yield* shell.says("deployed")
  const before = handledIn(path).length
  yield* untilTrue(
    () => handledIn(path).length > before + 20,
    () => logsOf(path)
  )
  yield* Fiber.interrupt(dispatching)
  yield* untilTrue(
    () => handledIn(path).includes(dispatched - 1),
    () => logsOf(path)
  )
  yield* shell.type("\n")
  yield* shell.says("ended")
  return { dispatched, handled: handledIn(path).toSorted((a, b) => a - b) }
})

describe("the commands of docs/deploys.md", () => {
  const oneProcess = (title: string, env: Process.Environment) =>
    Effect.gen(function* () {
      const { dispatched, handled } = yield* run(commandsOf(title), env)
      const { identifies, resumes } = yield* (yield* DiscordSimulator).counts
      process.stdout.write(`${title}: ${dispatched} events, ${handled.length} handled, ${identifies} IDENTIFY\n`)
      // Those from before the bot was there at all are nobody's.
      const first = handled[0] ?? 0
      assert.deepStrictEqual(
        handled,
        Array.from({ length: dispatched - first }, (_, n) => first + n)
      )
      assert.strictEqual(identifies, 1)
      assert.isAtLeast(resumes, 1)
    })

  it.live("hand over in one process with a file", () =>
    oneProcess("One process", {}).pipe(Effect.provide(DiscordSimulator.serve()))
  )

  it.live.skipIf(!hasRedis)("hand over with sessions in Redis", () =>
    Effect.gen(function* () {
      const database = 1 + (yield* Random.nextIntBetween(0, 14))
      yield* oneProcess("Sessions in Redis or PostgreSQL", { REDIS_URL: `redis://127.0.0.1:6379/${database}` })
    }).pipe(Effect.provide(DiscordSimulator.serve()))
  )

  it.live.skipIf(!hasPostgres)("hand over with sessions in PostgreSQL", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      yield* oneProcess("Sessions in Redis or PostgreSQL", { DATABASE_URL: database.url() })
    }).pipe(Effect.provide(DiscordSimulator.serve()))
  )

  it.live.skipIf(!hasPostgres)("roll a cluster", () =>
    Effect.gen(function* () {
      const database = yield* Database.make
      let commands = commandsOf("The cluster")
      for (const port of new Set(commands.match(/\b(?:3443|808)\d\b/g))) {
        commands = commands.replaceAll(port, yield* freePort)
      }
      const { dispatched, handled } = yield* run(commands, { DATABASE_URL: database.url() })
      const { identifies } = yield* (yield* DiscordSimulator).counts
      const once = new Set(handled)
      const first = handled[0] ?? 0
      process.stdout.write(
        `The cluster: ${dispatched} events, ${handled.length - once.size} twice, ${identifies} IDENTIFYs\n`
      )
      assert.strictEqual(once.size, dispatched - first)
      assert.strictEqual(identifies, 4)
    }).pipe(Effect.provide(DiscordSimulator.serve({ shards: 4, maxConcurrency: 4 })))
  )
})
