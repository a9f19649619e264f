/**
 * `npm run simulate -- --seeds 1..1000`: the promise of delivery, held against a hostile Discord, seed by seed.
 * `npm run simulate -- --kills 200`: so many kills of each kind of program, and a table.
 * `npm run simulate -- --cluster --seeds 1..2000`: the same for a cluster of machines. With `--defect` a defect is put in by hand,
 * which some seeds have to find.
 *
 * Ends with 1 when a seed has failed. With `--json` the last line is the report as JSON.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { version } from "../../src/version.ts"
import * as ClusterReport from "./cluster/ClusterReport.ts"
import * as ClusterRun from "./cluster/ClusterRun.ts"
import * as ClusterScenario from "./cluster/ClusterScenario.ts"
import { type Defect, defects, isDefect } from "./cluster/Defect.ts"
import { describe as describeAction } from "./FaultSchedule.ts"
import * as Kills from "./Kills.ts"
import * as Report from "./Report.ts"
import { rows } from "./Rows.ts"
import * as Run from "./Run.ts"
import * as Scenario from "./Scenario.ts"
import * as Seeds from "./Seeds.ts"
import * as Threads from "./Threads.ts"

const seeds = Flag.String("seeds").pipe(
  Flag.withMetavar("<7|1..1000>"),
  Flag.withDescription("Which scenarios to run (default: 1..100)"),
  Flag.mapEffect((text) =>
    Effect.fromResult(
      Result.mapError(Seeds.parse(text), (message) => new CliError.ValidationError({ message: `--seeds: ${message}` }))
    )
  ),
  Flag.withDefault(Array.from({ length: 100 }, (_, index) => index + 1))
)

/** One after the other, with all that happens. */
const withTrace = (seeds: ReadonlyArray<number>, row: string | undefined) =>
  Effect.forEach(
    seeds,
    Effect.fnUntraced(function* (seed) {
      const { steps, ...scenario } = yield* Scenario.ofSeed(seed, row)
      yield* Console.log(`Scenario ${JSON.stringify(scenario, undefined, 2)}`)
      for (const { after, action } of steps)
        yield* Console.log(`${String(after).padStart(9)} ms later: ${describeAction(action)}`)
      const outcome = yield* Run.seed(seed, { trace: true, row })
      yield* Console.log(outcome.trace.join("\n"))
      if (Report.hasFailed(outcome)) yield* Console.log(Report.describeFailure(outcome))
      return outcome
    })
  )

const program = Flag.Literals("program", [...rows.keys()]).pipe(
  Flag.withDescription("Programs of this kind only; with --seeds, the seeds of its own that --kills runs"),
  Flag.optional
)

const kills = Flag.Int("kills").pipe(
  Flag.withMetavar("<200>"),
  Flag.withDescription("Run until so many processes of each kind of program were killed, and print a table"),
  Flag.optional
)

const runKills = Effect.fnUntraced(function* (kills: number, row: string | undefined) {
  const context = yield* Effect.context<never>()
  const runSync = Effect.runSyncWith(context)
  yield* Console.log(Kills.head)
  let hasFailed = false
  for (const name of row === undefined ? rows.keys() : [row]) {
    const line = yield* Kills.run(name, kills, (outcome) => {
      if (Report.hasFailed(outcome)) runSync(Console.error(Report.describeFailure(outcome)))
    })
    yield* Console.log(Kills.describe(line))
    hasFailed ||= line.failedSeeds.length > 0
  }
  if (hasFailed) yield* Effect.sync(() => (process.exitCode = 1))
})

const defect = Flag.Literals("defect", Object.keys(defects).filter(isDefect)).pipe(
  Flag.withDescription("Put a defect into the cluster, which seeds have to find"),
  Flag.optional
)

/** One cluster after the other, with all that happens. */
const clustersWithTrace = (seeds: ReadonlyArray<number>, defect: Defect | undefined) =>
  Effect.forEach(
    seeds,
    Effect.fnUntraced(function* (seed) {
      yield* Console.log(`Scenario ${JSON.stringify(yield* ClusterScenario.ofSeed(seed), undefined, 2)}`)
      const outcome = yield* ClusterRun.seed(seed, { trace: true, defect })
      yield* Console.log(outcome.trace.join("\n"))
      if (ClusterReport.hasFailed(outcome)) yield* Console.log(ClusterReport.describeFailure(outcome))
      return outcome
    })
  )

const runClusters = Effect.fnUntraced(function* (
  seeds: ReadonlyArray<number>,
  { defect, json, trace }: { readonly defect: Defect | undefined; readonly json: boolean; readonly trace: boolean }
) {
  const runSync = Effect.runSyncWith(yield* Effect.context<never>())
  const [took, outcomes] = yield* Effect.timed(
    trace
      ? clustersWithTrace(seeds, defect)
      : Threads.runClusters(
          seeds,
          (outcome) => {
            if (ClusterReport.hasFailed(outcome)) runSync(Console.log(ClusterReport.describeFailure(outcome)))
          },
          defect
        )
  )
  const report = ClusterReport.ofOutcomes(outcomes)
  yield* Console.log(json ? JSON.stringify(report) : ClusterReport.describe(report, Duration.toSeconds(took)))
  if (report.failedSeeds.length > 0) yield* Effect.sync(() => (process.exitCode = 1))
})

const simulate = Command.make(
  "simulate",
  {
    seeds,
    program,
    kills,
    cluster: Flag.Boolean("cluster").pipe(
      Flag.withDescription("Clusters of machines rather than one process"),
      Flag.withDefault(false)
    ),
    defect,
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("End with the report in one line of JSON"),
      Flag.withDefault(false)
    ),
    trace: Flag.Boolean("trace").pipe(
      Flag.withDescription("Print each scenario and everything that happens in it"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ cluster, defect, json, kills, program, seeds, trace }) {
    if (cluster) return yield* runClusters(seeds, { defect: Option.getOrUndefined(defect), json, trace })
    const row = Option.getOrUndefined(program)
    if (Option.isSome(kills)) return yield* runKills(kills.value, row)
    const context = yield* Effect.context<never>()
    const runSync = Effect.runSyncWith(context)
    const [took, outcomes] = yield* Effect.timed(
      trace
        ? withTrace(seeds, row)
        : Threads.run(
            seeds,
            (outcome) => {
              if (Report.hasFailed(outcome)) runSync(Console.log(Report.describeFailure(outcome)))
            },
            row
          )
    )
    const report = Report.ofOutcomes(outcomes)
    yield* Console.log(json ? JSON.stringify(report) : Report.describe(report, Duration.toSeconds(took)))
    if (report.failedSeeds.length > 0) yield* Effect.sync(() => (process.exitCode = 1))
  })
).pipe(Command.withShortDescription("Hold the client against a hostile Discord, seed by seed"))

simulate.pipe(Command.run({ version }), Effect.provide(NodeServices.layer), NodeRuntime.runMain())
