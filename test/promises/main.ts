/**
 * `npm run promises -- --seeds 1..2000 --clusters 1..2000`: runs the simulations, and writes their figures into docs/promises.md, with
 * a line for each in the record there. `--next 2000` takes the seeds after those of the record.
 *
 * Ends with 1 when a seed has failed.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { version } from "../../src/version.ts"
import * as ClusterReport from "../simulation/cluster/ClusterReport.ts"
import * as Report from "../simulation/Report.ts"
import * as Seeds from "../simulation/Seeds.ts"
import * as Threads from "../simulation/Threads.ts"
import * as Figures from "./Figures.ts"
import * as SimulationRecord from "./SimulationRecord.ts"

/** Bundled, this file is in `test/dist`. */
const page = fileURLToPath(new URL("../../docs/promises.md", import.meta.url))

const seedsOf = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar("<1..2000>"),
    Flag.withDescription(description),
    Flag.mapEffect((text) =>
      Effect.fromResult(
        Result.mapError(
          Seeds.parse(text),
          (message) => new CliError.ValidationError({ message: `--${name}: ${message}` })
        )
      )
    ),
    Flag.optional
  )

const promises = Command.make(
  "promises",
  {
    seeds: seedsOf("seeds", "Seeds of one process against a hostile Discord"),
    clusters: seedsOf("clusters", "Seeds of clusters"),
    next: Flag.Int("next").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))),
      Flag.withMetavar("<2000>"),
      Flag.withDescription("So many seeds of both, after those of the record"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function* (flags) {
    const before = yield* Effect.sync(() => readFileSync(page, "utf8"))
    const following = (simulation: SimulationRecord.Simulation) =>
      Option.map(flags.next, (count) =>
        Array.from({ length: count }, (_, index) => SimulationRecord.lastSeed(before, simulation) + 1 + index)
      )
    const seeds = Option.orElse(flags.seeds, () => following("one process"))
    const clusters = Option.orElse(flags.clusters, () => following("clusters"))
    const runSync = Effect.runSyncWith(yield* Effect.context<never>())
    const tell = (text: string) => runSync(Console.log(text))
    const now = DateTime.formatIsoDateUtc(yield* DateTime.now)
    const process_ = Option.isNone(seeds)
      ? undefined
      : Report.ofOutcomes(
          yield* Threads.run(seeds.value, (outcome) => {
            if (Report.hasFailed(outcome)) tell(Report.describeFailure(outcome))
          })
        )
    const cluster = Option.isNone(clusters)
      ? undefined
      : ClusterReport.ofOutcomes(
          yield* Threads.runClusters(
            clusters.value,
            (outcome) => {
              if (ClusterReport.hasFailed(outcome)) tell(ClusterReport.describeFailure(outcome))
            },
            undefined
          )
        )
    const measured = { date: now, node: process.version.slice(1), process: process_, cluster }
    const figures = Figures.figuresOf(measured)
    for (const [name, figure] of figures) yield* Console.log(`${name}: ${figure}`)
    const of = { date: now, node: measured.node }
    const entries: ReadonlyArray<SimulationRecord.Entry> = [
      ...(process_ === undefined
        ? []
        : [{ ...of, ...process_, simulation: "one process" as const, seeds: Option.getOrElse(seeds, () => []) }]),
      ...(cluster === undefined
        ? []
        : [
            {
              ...of,
              ...cluster,
              simulation: "clusters" as const,
              seeds: Option.getOrElse(clusters, () => []),
              faults: ClusterReport.faultsOf(cluster)
            }
          ])
    ]
    yield* Effect.sync(() =>
      writeFileSync(page, SimulationRecord.append(Figures.write(readFileSync(page, "utf8"), figures), entries))
    )
    const failed = [...(process_?.failedSeeds ?? []), ...(cluster?.failedSeeds ?? [])]
    if (failed.length > 0) yield* Effect.sync(() => (process.exitCode = 1))
  })
).pipe(Command.withShortDescription("Run the simulations and write their figures into docs/promises.md"))

promises.pipe(Command.run({ version }), Effect.provide(NodeServices.layer), NodeRuntime.runMain())
