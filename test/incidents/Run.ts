/**
 * One incident for one client: a Discord of its own, a process of its own in a folder of its own.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { sampleToken } from "../../src/simulator/Bot.ts"
import { DiscordSimulator } from "../../src/testing.ts"
import type { Environment } from "../support/Process.ts"
import { type Client, start } from "./Client.ts"
import type { Incident } from "./Incident.ts"
import { NotHeld, Stage } from "./Stage.ts"

/** `blank` where the client has no such part; otherwise the reason of a failure, or none. */
export type Outcome =
  | { readonly _tag: "Blank" }
  | { readonly _tag: "Held" }
  | { readonly _tag: "Failed"; readonly reason: string }

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "disruption-gateway-incident-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Runs an incident. `env` is added to the client's environment. */
export const run = (client: Client, incident: Incident, env: Environment = {}): Effect.Effect<Outcome> => {
  const { needs = [], options, shards = 1 } = incident
  if (!needs.every((need) => client.has.includes(need))) return Effect.succeed({ _tag: "Blank" })
  const staged = Effect.gen(function* () {
    const discord = yield* DiscordSimulator
    const cwd = yield* folder
    const variables = {
      DISCORD_TOKEN: sampleToken,
      DISCORD_API_URL: discord.apiUrl,
      INCIDENT_SHARDS: String(shards),
      ...(needs.includes("sessions") ? { INCIDENT_SESSIONS: join(cwd, "sessions") } : {}),
      ...(needs.includes("probe") ? { INCIDENT_PROBE: "1" } : {}),
      ...env
    }
    const scope = yield* Effect.scope
    const begin = Effect.provideService(start(client, variables, cwd), Scope.Scope, scope)
    const stage = new Stage(discord, yield* begin, begin, shards)
    yield* incident.happen(stage)
    yield* stage.rules
  }).pipe(
    Effect.scoped,
    Effect.timeoutOrElse({
      duration: "4 minutes",
      orElse: () => Effect.fail(new NotHeld({ reason: "it does not come to an end" }))
    }),
    Effect.provide(
      DiscordSimulator.serve({
        token: sampleToken,
        heartbeatInterval: "2 seconds",
        // Other than where it is the incident, a machine that is busy is none.
        heartbeatTimeout: false,
        guilds: 2,
        history: 20_000,
        ...options
      })
    ),
    Effect.as<Outcome>({ _tag: "Held" }),
    Effect.catchTags({
      NotHeld: ({ reason }) => Effect.succeed<Outcome>({ _tag: "Failed", reason }),
      PortUnavailable: (error) => Effect.die(error)
    })
  )
  return staged
}
