/**
 * Instances of one bot as processes of their own, with their sessions in one store, on a served Discord.
 */
import { fileURLToPath } from "node:url"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import { DiscordSimulator } from "../../src/simulator/DiscordSimulator.ts"
import * as Database from "../cluster/Database.ts"
import { environment } from "../support/CommandLine.ts"
import { hasPostgres, hasRedis } from "../support/LocalServices.ts"
import * as Process from "../support/Process.ts"
import { temporaryFile } from "../support/SessionFileRun.ts"

const program = fileURLToPath(new URL("../dist/owner.js", import.meta.url))

const aName = Effect.map(Random.nextIntBetween(0, 2 ** 40), (random) => `owner_${random.toString(36)}`)

/** The stores that instances may share. */
export const stores = [
  { store: "file", isThere: true, port: undefined, url: temporaryFile },
  { store: "Redis", isThere: hasRedis, port: 6379, url: Effect.succeed("redis://127.0.0.1:6379") },
  {
    store: "PostgreSQL",
    isThere: hasPostgres,
    port: Database.server.port,
    url: Effect.map(Database.make, (database) => database.url())
  }
] as const

/** A message that an instance has handled. */
export interface Handled {
  readonly n: number
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** The messages in what an instance has printed; a line that was cut off does not count. */
export const handledIn = (stdout: string): ReadonlyArray<Handled> =>
  stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => {
      const { at, d }: { readonly d: { readonly n: number }; readonly at: number } = JSON.parse(line)
      return { n: d.n, at }
    })

/** Starts instances that share a store; each ends with the scope. */
export const make = Effect.fnUntraced(function* (
  { store, url }: (typeof stores)[number],
  lease: Duration.Duration = Duration.seconds(15)
) {
  const env = {
    ...(yield* environment),
    OWNER_STORE: store,
    OWNER_URL: yield* url,
    OWNER_NAME: yield* aName,
    OWNER_LEASE: `${Duration.toMillis(lease)} millis`
  }
  return {
    /** Where the store is, and the name of the bot in it. */
    url: env.OWNER_URL,
    name: env.OWNER_NAME,
    start: Process.start(process.execPath, [program], { env }),
    /** Starts one that reaches the store through a proxy on this port. */
    startThrough: (port: number, whenUnanswered: "wait" | "fail") => {
      const url = new URL(env.OWNER_URL)
      url.port = String(port)
      return Process.start(process.execPath, [program], {
        env: { ...env, OWNER_URL: url.href, OWNER_UNANSWERED: whenUnanswered }
      })
    }
  }
})

/** Dispatches a message every 5 ms, counted from here on, until the effect that it gives is run, which gives the number that is next. */
export const loadFrom = Effect.fnUntraced(function* (first: number) {
  const simulator = yield* DiscordSimulator
  let n = first
  const dispatching = yield* Effect.forkScoped(
    Effect.forever(
      Effect.delay(
        Effect.suspend(() => simulator.dispatchAll([{ t: "MESSAGE_CREATE", d: { n: n++ } }])),
        "5 millis"
      )
    )
  )
  return Effect.map(Fiber.interrupt(dispatching), () => n)
})

/** Dispatches a message every 5 ms, until the effect that it gives is run, which gives their number. */
export const load = loadFrom(0)
