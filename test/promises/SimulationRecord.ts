/**
 * Record in docs/promises.md: a line for each run of a simulation, so that the next run takes other seeds.
 */

/** Names of the simulations, as the record has them. */
export type Simulation = "one process" | "clusters"

/** A run of a simulation. */
export interface Entry {
  readonly date: string
  readonly node: string
  readonly simulation: Simulation
  readonly seeds: ReadonlyArray<number>
  readonly virtualHours: number
  readonly faults: number
  readonly failedSeeds: ReadonlyArray<number>
}

const end = "<!-- /record -->"
const hoursOfYear = 365.25 * 24

/** Seeds as `--seeds` takes them. */
export const rangesOf = (seeds: ReadonlyArray<number>): string => {
  const ranges: Array<{ readonly from: number; to: number }> = []
  for (const seed of seeds.toSorted((one, other) => one - other)) {
    const last = ranges.at(-1)
    if (last !== undefined && seed <= last.to + 1) last.to = seed
    else ranges.push({ from: seed, to: seed })
  }
  return ranges.map(({ from, to }) => (from === to ? String(from) : `${from}..${to}`)).join(", ")
}

const cellsOf = (line: string) => line.split("|").map((cell) => cell.trim())

/** The highest seed that is recorded of a simulation, 0 for none. */
export const lastSeed = (page: string, simulation: Simulation): number => {
  const lines = page.slice(0, Math.max(0, page.indexOf(end))).split("\n")
  const numbers = lines.flatMap((line) => {
    const [, , , name, seeds = ""] = cellsOf(line)
    return name === simulation ? (seeds.match(/\d+/g) ?? []).map(Number) : []
  })
  return Math.max(0, ...numbers)
}

/** The page with these runs at the end of its record. */
export const append = (page: string, entries: ReadonlyArray<Entry>): string => {
  const at = page.indexOf(end)
  if (at < 0) throw new Error("docs/promises.md has no record")
  const lines = entries.map(({ date, failedSeeds, faults, node, seeds, simulation, virtualHours }) => {
    const years = (virtualHours / hoursOfYear).toFixed(2)
    const failed = failedSeeds.length === 0 ? "none" : rangesOf(failedSeeds)
    return `| ${date} | ${node} | ${simulation} | ${rangesOf(seeds)} | ${years} | ${faults.toLocaleString("en-US")} | ${failed} |\n`
  })
  return `${page.slice(0, at).trimEnd()}\n${lines.join("")}\n${page.slice(at)}`
}
