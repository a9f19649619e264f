/**
 * The command `disruption-gateway` with its subcommands, whose programs are loaded lazily.
 *
 * Exit code: 0 after a normal end or a signal, 1 after a failure.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliConfig from "effect/cli/CliConfig"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import { version } from "../version.ts"
import { doctor } from "./DoctorCommand.ts"
import { relay } from "./RelayCommand.ts"
import { run } from "./RunCommand.ts"
import { simulate } from "./SimulateCommand.ts"
import * as StandardError from "./StandardError.ts"
import * as StandardOutput from "./StandardOutput.ts"

const command = Command.make("disruption-gateway").pipe(
  Command.withDescription(
    "The Discord gateway: a connection that stays up, and a simulated Discord to try it against."
  ),
  Command.withSubcommands([run, relay, doctor, simulate]),
  Command.withExamples([
    { command: "disruption-gateway run --for 20s", description: "See it at work, without a token" },
    { command: "DISCORD_TOKEN=… disruption-gateway run", description: "Connect to Discord" },
    { command: "DISCORD_TOKEN=… disruption-gateway doctor", description: "Check the settings first" },
    { command: "disruption-gateway simulate", description: "Serve a Discord to test bots against" }
  ])
)

const builtIns = [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions, GlobalFlag.LogLevel]

const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? onExit(0) : Runtime.defaultTeardown(exit, onExit)

/** Interruption by SIGHUP, as when a terminal is closed; the runtime itself listens to SIGINT and SIGTERM. */
const hangup: Effect.Effect<never> = Effect.callback((resume) => {
  process.on("SIGHUP", () => resume(Effect.interrupt))
})

/** Runs the command line, and ends the process. */
export const main = (): void =>
  command.pipe(
    Command.run({ version }),
    Effect.raceFirst(hangup),
    Effect.tapDefect((defect) => Effect.logFatal("A bug in disruption-gateway", Cause.die(defect))),
    Effect.ensuring(StandardOutput.finish),
    Effect.provide(Layer.mergeAll(NodeServices.layer, StandardError.layer, CliConfig.layer({ builtIns }))),
    NodeRuntime.runMain({ disableErrorReporting: true, teardown })
  )
