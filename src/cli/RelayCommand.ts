/**
 * The command `disruption-gateway relay`: its flags.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Flags from "./Flags.ts"

export const relay = Command.make(
  "relay",
  {
    broker: Flag.String("broker").pipe(
      Flag.withMetavar("<url>"),
      Flag.withDescription(
        "The broker: redis://127.0.0.1:6379, postgres://bot@127.0.0.1:5432/bot, nats://127.0.0.1:4222 (or RELAY_BROKER)"
      ),
      Flag.optional
    ),
    name: Flag.String("name").pipe(
      Flag.withMetavar("<name>"),
      Flag.withDescription("The bot's name in the broker, which its consumers have, too (or RELAY_NAME; default: bot)"),
      Flag.optional
    ),
    dashboard: Flags.dashboard,
    healthcheck: Flags.healthcheck,
    intents: Flags.intents,
    shards: Flags.shards,
    apiUrl: Flag.String("api-url").pipe(
      Flag.withMetavar("<url>"),
      Flag.withDescription("Where GET /gateway/bot is asked"),
      Flag.optional
    )
  },
  Effect.fn(function* (flags) {
    if (flags.healthcheck) {
      const { check } = yield* Effect.promise(() => import("./Healthcheck.ts"))
      return yield* check(flags.dashboard)
    }
    const logLevel = yield* GlobalFlag.LogLevel
    const program = yield* Effect.promise(() => import("./RelayProgram.ts"))
    return yield* program.run({ ...flags, logLevel })
  })
).pipe(
  Command.withShortDescription("Connect, and write every dispatch to a broker"),
  Command.withDescription(
    "Keeps the connection to Discord and writes every dispatch to a broker, for consumers that start and stop as they like:\n" +
      "  programs with RelayGateway.layer, or any that read the format in docs/relay.md. Sessions are kept in the broker, too:\n" +
      "  started again, it resumes; of two with one name the second waits until the first has ended.\n\n" +
      "  The environment says what the flags do not: DISCORD_TOKEN, DISCORD_INTENTS, DISCORD_SHARDS, DISCORD_API_URL,\n" +
      "  RELAY_BROKER, RELAY_NAME, RELAY_PARTITIONS (64), RELAY_CAPACITY (1000000), RELAY_REPLICAS (1; of a NATS cluster).\n" +
      "  A URL with a password belongs there."
  ),
  Command.withExamples([
    { command: "DISCORD_TOKEN=… disruption-gateway relay --broker redis://127.0.0.1:6379", description: "On Redis" },
    {
      command: "disruption-gateway relay --dashboard 0.0.0.0:8080",
      description: "With a dashboard, /livez, /readyz, /shards and /relay"
    }
  ])
)
