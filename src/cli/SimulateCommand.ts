/**
 * `disruption-gateway simulate`: a Discord on a loopback port, for bots in any language.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { DiscordSimulator } from "../simulator/DiscordSimulator.ts"
import * as Flags from "./Flags.ts"
import * as SimulatedClients from "./SimulatedClients.ts"
import * as StandardError from "./StandardError.ts"
import * as StandardOutput from "./StandardOutput.ts"
import { paper, render } from "./TerminalLine.ts"

const guilds = 10

export const simulate = Command.make(
  "simulate",
  {
    port: Flag.Int("port").pipe(
      Flag.withMetavar("<port>"),
      Flag.withDescription("Listen here (default: any free port)"),
      Flag.filter(
        (port) => port >= 0 && port <= 65_535,
        (port) => `Expected a port from 0 to 65535, not ${port}`
      ),
      Flag.withDefault(0)
    ),
    rate: Flag.Finite("rate").pipe(
      Flag.withMetavar("<number>"),
      Flag.withDescription("Events a second (default: 5)"),
      Flag.filter(
        (rate) => rate > 0 && rate <= 100_000,
        (rate) => `Expected a number above 0, and 100000 at most, not ${rate}`
      ),
      Flag.withDefault(5)
    ),
    incidents: Flags.incidents,
    lasting: Flags.lasting
  },
  Effect.fn(
    function* ({ incidents, lasting, port, rate }) {
      const program = Effect.gen(function* () {
        const { apiUrl, token } = yield* DiscordSimulator
        yield* StandardOutput.writeLine(
          [
            "# The simulated Discord is up. Point a client at it:",
            `export DISCORD_TOKEN=${Redacted.value(token)}`,
            `export DISCORD_API_URL=${apiUrl}`
          ].join("\n")
        )
        const traffic = DiscordSimulator.traffic({
          perSecond: rate,
          guilds,
          ...(incidents === undefined ? {} : { incidents })
        })
        yield* Effect.forkScoped(traffic)
        yield* StandardOutput.writeLines(
          Stream.mapEffect(SimulatedClients.activity, (parts) =>
            Effect.map(paper, ({ colours }) => render(parts, { colours, columns: Infinity }))
          )
        )
      })
      yield* program.pipe(
        Effect.scoped,
        Effect.provide(DiscordSimulator.serve({ port, guilds })),
        Option.isSome(lasting) ? Effect.timeoutOption(lasting.value) : Effect.asSome
      )
    },
    Effect.mapError((error) => StandardError.failure(error))
  )
).pipe(
  Command.withShortDescription("Serve a simulated Discord, for bots in any language"),
  Command.withDescription(
    "Serves a simulated Discord on this computer: REST and gateway on one port, with believable events and, now and\n" +
      "  then, an incident: a lost connection, op 7, a resumable op 9, heartbeats without ACK. It prints the environment\n" +
      "  variables that point a client at it, and then what its clients do."
  ),
  Command.withExamples([
    { command: "disruption-gateway simulate --port 8080", description: "A busy and unreliable Discord" },
    { command: "disruption-gateway simulate --rate 200 --incidents none", description: "A very busy, reliable one" }
  ])
)
