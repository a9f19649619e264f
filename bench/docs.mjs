// Writes the numbers of docs/performance.md, and its plot, from what was measured:
//
//   npm run bench -- --json bench/results/node20.json && node bench/docs.mjs
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { plot } from "./plot.mjs"
import { goalTable, scenarioTable } from "./report.mjs"
import { scenarios } from "./scenarios.mjs"

const results = new URL("results/", import.meta.url)
const page = new URL("../docs/performance.md", import.meta.url)
const runs = readdirSync(results)
  .filter((name) => name.endsWith(".json"))
  .toSorted()
  .map((name) => JSON.parse(readFileSync(new URL(name, results), "utf8")))

const begin = "<!-- measured -->"
const end = "<!-- /measured -->"

const section = ({ about, results: measured }) => {
  const versions = Object.entries(about.versions).map(([name, version]) => `${name} ${version}`)
  return [
    `## Node.js ${about.node.slice(1)}`,
    `${about.date}, ${about.machine}, ${about.rounds} rounds, load average ${about.load.map((load) => load.toFixed(1)).join(" to ")}. ${versions.join(", ")}.`,
    goalTable(measured),
    ...Object.keys(scenarios)
      .filter((name) => name in measured)
      .map((name) => scenarioTable(measured, name))
  ].join("\n\n")
}

const text = readFileSync(page, "utf8")
const before = text.slice(0, text.indexOf(begin) + begin.length)
const after = text.slice(text.indexOf(end))
writeFileSync(page, `${before}\n\n${runs.map(section).join("\n\n")}\n\n${after}`)
writeFileSync(new URL("../docs/performance.svg", import.meta.url), plot(runs))
