/**
 * Program of `disruption-gateway simulate`: serves a Discord on a loopback port, for bots in any language.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { sampleToken } from "../simulator/Bot.ts"
import { DiscordSimulator } from "../simulator/DiscordSimulator.ts"
import * as SimulatedClients from "./SimulatedClients.ts"
import * as StandardError from "./StandardError.ts"
import * as StandardOutput from "./StandardOutput.ts"
import { paper, render } from "./TerminalLine.ts"

/** Values of the flags. */
export interface SimulateOptions {
  readonly port: number
  /** Events a second. */
  readonly rate: number
  /** Token of the bot; one with the parts of a real one if there is none. It is not printed: somebody might give a real one. */
  readonly token: Option.Option<string>
  /** Average time between incidents; undefined for none. */
  readonly incidents: Duration.Duration | undefined
  readonly runFor: Option.Option<Duration.Duration>
}

const guilds = 10

/** Serves until the end of `--for`, or until a signal. */
export const simulate = Effect.fn(
  function* ({ incidents, runFor, port, rate, token }: SimulateOptions) {
    const program = Effect.gen(function* () {
      const { apiUrl } = yield* DiscordSimulator
      yield* StandardOutput.writeLine(
        [
          "# The simulated Discord is up. Point a client at it:",
          Option.isSome(token) ? "# DISCORD_TOKEN is the one of --token" : `export DISCORD_TOKEN=${sampleToken}`,
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
          Effect.map(paper, ({ colours }) => ({ text: render(parts, { colours, columns: Infinity }) }))
        )
      )
    })
    yield* program.pipe(
      Effect.scoped,
      Effect.provide(
        DiscordSimulator.serve({ port, guilds, token: Redacted.make(Option.getOrElse(token, () => sampleToken)) })
      ),
      Option.isSome(runFor) ? Effect.timeoutOption(runFor.value) : Effect.asSome
    )
  },
  Effect.mapError((error) => StandardError.failure(error))
)
