// Starts a Discord of its own, a relay and three consumers on Redis, kills one consumer, deploys another anew, and shows all the while what
// each has handled: `npm run example:relay`. Takes Redis (REDIS_URL); where it is on this computer nothing has to be set.
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { DiscordSimulator } from "disruption-gateway/testing"
import { Clock, Config, Console, Effect, Redacted, Schedule } from "effect"

const command = fileURLToPath(new URL("../../../dist/cli/main.js", import.meta.url))
const bot = fileURLToPath(new URL("./bot.js", import.meta.url))
const guildOf = (n: number) => String((1_000_000_000n + BigInt(n % 40)) << 22n)

/** The numbers of the messages that were handled, and those of each guild in the order in which they were. */
const handled = new Set<number>()
const lastOf = new Map<string, number>()
const count = { twice: 0, outOfOrder: 0 }

const take = (line: string) => {
  const [id, guild = ""] = line.split(" ")
  const n = Number(id)
  if (handled.has(n)) count.twice++
  else if (n < (lastOf.get(guild) ?? -1)) count.outOfOrder++
  handled.add(n)
  lastOf.set(guild, Math.max(n, lastOf.get(guild) ?? -1))
}

/** Starts a process; it ends with the scope. */
const start = (name: string, args: ReadonlyArray<string>, env: Record<string, string>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(process.execPath, args, {
          stdio: ["ignore", "pipe", "inherit"],
          env: { ...process.env, ...env }
        })
        const own = { lines: 0 }
        let rest = ""
        child.stdout.setEncoding("utf8").on("data", (text: string) => {
          const lines = `${rest}${text}`.split("\n")
          rest = lines.pop() ?? ""
          own.lines += lines.length
          if (name !== "relay") for (const line of lines) take(line)
        })
        return { child, own }
      }),
      ({ child }) => Effect.sync(() => child.kill("SIGTERM"))
    ),
    ({ child, own }) => ({ name, own, kill: (signal: "SIGKILL" | "SIGTERM") => Effect.sync(() => child.kill(signal)) })
  )

Effect.gen(function* () {
  const simulator = yield* DiscordSimulator
  const env = {
    RELAY_BROKER: yield* Config.withDefault(Config.String("REDIS_URL"), "redis://127.0.0.1:6379"),
    RELAY_NAME: `example-${yield* Clock.currentTimeMillis}`,
    DISCORD_TOKEN: Redacted.value(simulator.token),
    DISCORD_API_URL: simulator.apiUrl
  }
  yield* start("relay", [command, "relay", "--log-level", "error"], env)
  const consumer = (name: string) => start(name, [bot], env)
  const consumers = [yield* consumer("A"), yield* consumer("B"), yield* consumer("C")]
  yield* Effect.repeat(
    Effect.map(simulator.sessions, ({ length }) => length > 0),
    { until: (isReady) => isReady, schedule: Schedule.spaced("100 millis") }
  )

  let sent = 0
  let isOver = false
  yield* Effect.forkScoped(
    Effect.repeat(
      Effect.suspend(() => {
        if (isOver) return Effect.void
        const n = sent++
        return simulator.dispatch("MESSAGE_CREATE", { id: String(n), guild_id: guildOf(n), content: "" })
      }),
      Schedule.fixed("5 millis")
    )
  )
  const show = (isEnough: () => boolean) =>
    Effect.repeat(
      Effect.andThen(
        Effect.sleep("1 second"),
        Effect.suspend(() => {
          const all = consumers.map(({ name, own }) => `${name}: ${String(own.lines).padEnd(5)}`).join("| ")
          return Console.log(`${all}| dispatched ${sent}, handled ${handled.size}, twice ${count.twice}`)
        })
      ),
      { until: isEnough }
    )

  yield* Console.log("a relay and three consumers, 200 messages a second")
  const isAtWork = (index: number) => (consumers[index]?.own.lines ?? 0) > 0
  yield* show(() => isAtWork(0) && isAtWork(1) && isAtWork(2))
  yield* Console.log("B is killed: others have its guilds after its lease of 3 seconds")
  yield* consumers[1]?.kill("SIGKILL") ?? Effect.void
  const before = sent
  yield* show(() => sent > before + 500 && handled.size > sent - 50)
  yield* Console.log("C is deployed anew: its successor D is started first")
  consumers.push(yield* consumer("D"))
  yield* show(() => isAtWork(3))
  yield* consumers[2]?.kill("SIGTERM") ?? Effect.void
  const after = sent
  yield* show(() => sent > after + 500)
  isOver = true
  yield* Effect.repeat(Effect.sleep("100 millis"), { until: () => handled.size >= sent })
  const { identifies, resumes } = yield* simulator.counts
  yield* Console.log(
    `${sent} dispatched, ${sent - handled.size} missed, ${count.outOfOrder} out of order, ${count.twice} handled twice; ` +
      `Discord saw ${identifies} IDENTIFY and ${resumes} RESUMEs`
  )
}).pipe(Effect.scoped, Effect.provide(DiscordSimulator.serve()), NodeRuntime.runMain)
