/**
 * The command `disruption-gateway simulate`: its flags.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Flags from "./Flags.ts"

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
    token: Flag.String("token").pipe(
      Flag.withMetavar("<token>"),
      Flag.withDescription("Take this token, which is no secret here (default: one with the parts of a real one)"),
      Flag.filter(
        (token) => token.trim() !== "" && !/\s/.test(token),
        () => "Expected a token without spaces"
      ),
      Flag.optional
    ),
    incidents: Flags.incidents,
    runFor: Flags.runFor
  },
  (flags) =>
    Effect.flatMap(
      Effect.promise(() => import("./SimulateProgram.ts")),
      ({ simulate }) => simulate(flags)
    )
).pipe(
  Command.withShortDescription("Serve a simulated Discord, for bots in any language"),
  Command.withDescription(
    "Serves a simulated Discord on this computer: REST and gateway on one port, with sample events and, now and\n" +
      "  then, an incident: a lost connection, op 7, a resumable op 9, heartbeats without ACK. It prints the environment\n" +
      "  variables that point a client at it, and then what its clients do."
  ),
  Command.withExamples([
    { command: "disruption-gateway simulate --port 8080", description: "A busy and unreliable Discord" },
    { command: "disruption-gateway simulate --rate 200 --incidents none", description: "A very busy, reliable one" }
  ])
)
