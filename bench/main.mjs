// disruption-gateway beside its peers: npm run bench [-- --quick] [--only NAME,NAME] [--clients NAME,NAME] [--rounds N]
// [--most N] [--json FILE] [--profile FOLDER]
//
// Every measurement is a process of its own, the server is another. A round runs each client of a scenario once, and each
// round begins with another one; ratios are taken within a round, so what slows the machine slows both sides.
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { cpus, loadavg } from "node:os"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { profileTable } from "./profile.mjs"
import { goalTable, ratio, scenarioTable } from "./report.mjs"
import { blank, clients, scenarios } from "./scenarios.mjs"

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    clients: { type: "string" },
    rounds: { type: "string" },
    most: { type: "string" },
    json: { type: "string" },
    profile: { type: "string" }
  }
})

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
if (!existsSync(here("node_modules/ws"))) {
  const { status } = spawnSync("npm", ["ci", "--prefix", here("."), "--ignore-scripts"], {
    stdio: "inherit",
    shell: process.platform === "win32"
  })
  if (status !== 0) process.exit(1)
}
const { measure, startServer } = await import("./run.mjs")
const { describe } = await import("./corpus.mjs")
const { halfway, marker } = await import("./events.mjs")
const { knows } = await import("./clients/disruption-gateway.mjs")

const names =
  options.only?.split(",") ?? Object.keys(scenarios).filter((name) => !options.quick || scenarios[name].quick !== false)
const unknown = names.find((name) => !(name in scenarios))
if (unknown !== undefined) {
  console.error(`There is no scenario ${unknown}. There are: ${Object.keys(scenarios).join(", ")}`)
  process.exit(2)
}
const rounds = Number(options.rounds ?? (options.quick ? 1 : 5))
/** More rounds are run, up to so many, until the intervals of this library's ratios are narrow. */
const mostRounds = Math.max(
  rounds,
  Number(options.most ?? (options.quick || options.rounds !== undefined ? rounds : 15))
)
const narrow = 0.1
const quicker = options.quick ? { seconds: 2 } : {}

const versionOf = (path) => JSON.parse(readFileSync(here(path), "utf8")).version
const about = {
  date: new Date().toISOString().slice(0, 10),
  node: process.version,
  machine: `${cpus().length} × ${cpus()[0]?.model ?? "CPU"}, ${process.platform} ${process.arch}`,
  load: [loadavg()[0]],
  versions: {
    "disruption-gateway": versionOf("../package.json"),
    effect: versionOf("../node_modules/effect/package.json"),
    ...Object.fromEntries(
      ["ws", "@discordjs/ws", "@discordeno/gateway", "cloudstorm"].map((name) => [
        name,
        versionOf(`node_modules/${name}/package.json`)
      ])
    )
  }
}
console.log(`Node ${about.node}, ${about.machine}, load ${about.load[0].toFixed(1)}, ${rounds} rounds`)
console.log(
  `${Object.entries(about.versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(", ")}\n`
)

if (options.profile !== undefined) mkdirSync(options.profile, { recursive: true })
const server = await startServer(names.map((name) => scenarios[name]))
const results = {}
const failures = []
for (const name of names) {
  const scenario = { ...scenarios[name], ...quicker }
  const { compression, stream } = scenario
  if (!server.compressions.includes(compression)) {
    console.log(`### ${scenario.title}\n\nNode ${process.version} has no ${compression}.\n`)
    continue
  }
  const expected = { live: () => ({ marker }), noisy: () => ({ marker }), split: () => describe("split-1", "none") }[
    stream
  ]?.() ?? { ...describe(stream, compression), halfway, marker }
  const asked = options.clients?.split(",")
  const blanks = {}
  const runners = scenario.clients.filter((client) => {
    if (asked !== undefined && !asked.includes(client)) return false
    const why = blank(client, scenario, knows)
    if (why !== undefined) blanks[client] = why
    return why === undefined
  })
  results[name] = { blanks, rounds: [] }
  const isNarrow = () =>
    runners.every((client) => {
      if (clients[client].role !== "own") return true
      const by = ratio(results, { client, measure: scenario.measures[0], scenario: name, to: scenario.clients[0] })
      return by === undefined || by.to - by.from <= narrow * by.is
    })
  for (let round = 0; round < rounds || (round < mostRounds && !isNarrow()); round++) {
    if (round >= (scenario.most ?? mostRounds)) break
    const row = {}
    results[name].rounds.push(row)
    for (let i = 0; i < runners.length; i++) {
      const client = runners[(i + round) % runners.length]
      if (client in blanks) continue
      try {
        const profile =
          options.profile === undefined ? undefined : resolve(options.profile, `${name}.${client}.${round}.cpuprofile`)
        row[client] = await measure(server, client, scenario, expected, { profile })
      } catch (error) {
        blanks[client] = `failed, ${error.message}`
        failures.push(`${scenario.title}, ${clients[client].label}: ${error.message}`)
      }
    }
  }
  console.log(`${scenarioTable(results, name)}\n`)
}
server.stop()
about.load.push(loadavg()[0])

console.log(goalTable(results))
if (options.profile !== undefined) {
  for (const name of Object.keys(results)) {
    for (const client of Object.keys(results[name].rounds[0])) {
      console.log(
        `\n${scenarios[name].title}, ${clients[client].label}\n\n${profileTable(options.profile, `${name}.${client}.`)}`
      )
    }
  }
}
if (options.json !== undefined) {
  writeFileSync(options.json, `${JSON.stringify({ about: { ...about, rounds }, results }, undefined, 1)}\n`)
}
for (const failure of failures) console.error(`FAILED ${failure}`)
if (failures.length > 0) process.exitCode = 1
