// Puts the incidents to the clients: `npm run incidents` runs all and writes docs/incidents.md; `-- --only op7,no-hello` and
// `-- --client eris,discord.js` choose, and write nothing. Fails where this library does not hold one.
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Clock, Console, DateTime, Effect, Layer, Logger, References } from "effect"
import * as OtherClients from "../support/OtherClients.ts"
import { type Client, installedIn, names, own } from "./Client.ts"
import type { Incident } from "./Incident.ts"
import { incidents, themes } from "./Incidents.ts"
import { matrix, Results, totals } from "./Matrix.ts"
import { run } from "./Run.ts"

const { values } = parseArgs({
  options: { only: { type: "string" }, client: { type: "string" }, write: { type: "boolean", default: false } }
})

const listed = (text: string | undefined, known: ReadonlyArray<string>): ReadonlyArray<string> => {
  const wanted = text?.split(",") ?? known
  const unknown = wanted.filter((name) => !known.includes(name))
  if (unknown.length > 0) throw new Error(`Unknown: ${unknown.join(", ")}. There are ${known.join(", ")}`)
  return wanted
}

/** Incidents beside each other: they mostly wait. */
const concurrency = 14

/** An incident that a peer fails is put to it once more: what is said of it has come to pass twice. */
const put = (client: Client, incident: Incident) =>
  Effect.flatMap(run(client, incident), (first) =>
    first._tag === "Failed" && client !== own ? run(client, incident) : Effect.succeed(first)
  )

const page = fileURLToPath(
  new URL(
    import.meta.url.includes("/dist/shared/") ? "../../../docs/incidents.md" : "../../docs/incidents.md",
    import.meta.url
  )
)

const write = (text: string) =>
  Effect.sync(() => {
    const [begin, end] = ["<!-- incidents -->", "<!-- /incidents -->"]
    const whole = readFileSync(page, "utf8")
    const [from, to] = [whole.indexOf(begin), whole.indexOf(end)]
    if (from < 0 || to < from) throw new Error("docs/incidents.md has no place for the matrix")
    writeFileSync(page, `${whole.slice(0, from + begin.length)}\n\n${text}\n\n${whole.slice(to)}`)
  })

const program = Effect.gen(function* () {
  const chosen = listed(values.client, names)
  const ids = listed(
    values.only,
    incidents.map(({ id }) => id)
  )
  const isAll = chosen.length === names.length && ids.length === incidents.length
  const peers = chosen.every((name) => name === own.name)
    ? []
    : yield* Effect.map(
        Effect.acquireRelease(
          Effect.promise(() => OtherClients.install()),
          (installed) => Effect.sync(() => installed?.dispose())
        ),
        (installed) => (installed === undefined ? [] : installedIn(installed.folder))
      )
  const clients = [own, ...peers].filter(({ name }) => chosen.includes(name))
  const some = incidents.filter(({ id }) => ids.includes(id))
  const results = new Results()
  const begin = yield* Clock.currentTimeMillis
  const pairs = some.flatMap((incident) => clients.map((client) => ({ client, incident })))
  yield* Effect.forEach(
    pairs,
    ({ client, incident }) =>
      Effect.gen(function* () {
        const from = yield* Clock.currentTimeMillis
        const outcome = yield* put(client, incident)
        results.set(client, incident, outcome)
        const took = (((yield* Clock.currentTimeMillis) - from) / 1000).toFixed(1)
        const said = outcome._tag === "Failed" ? `fails: ${outcome.reason}` : outcome._tag.toLowerCase()
        yield* Console.log(`${client.name} | ${incident.id} | ${took} s | ${said}`)
      }),
    { concurrency, discard: true }
  )
  const seconds = ((yield* Clock.currentTimeMillis) - begin) / 1000
  for (const { client, held, of } of totals(clients, some, results)) {
    yield* Console.log(`${client.name} ${client.version}: holds ${held} of ${of}`)
  }
  yield* Console.log(`${(seconds / 60).toFixed(1)} minutes`)
  if (isAll || values.write) {
    const today = DateTime.formatIsoDateUtc(yield* DateTime.now)
    const when = `${incidents.length} incidents, measured on ${today} with Node.js ${process.version.slice(1)} in ${Math.ceil(seconds / 60)} minutes.`
    yield* write(`${when}\n\n${matrix(clients, themes, results)}`)
  }
  const failed = some.filter((incident) => clients.includes(own) && results.get(own, incident)?._tag === "Failed")
  if (failed.length > 0) return yield* Effect.die(new Error(`not held: ${failed.map(({ id }) => id).join(", ")}`))
}).pipe(
  Effect.scoped,
  Effect.provide(Layer.mergeAll(Logger.layer([]))),
  Effect.provideService(References.MinimumLogLevel, "None")
)

NodeRuntime.runMain(program)
