/**
 * Figures of docs/promises.md: each stands behind a comment with its name, and the simulations write it.
 */
import type { ClusterReport } from "../simulation/cluster/ClusterReport.ts"
import type { Report } from "../simulation/Report.ts"

const number = (value: number) => value.toLocaleString("en-US")

/** How often each was met, the most frequent first. */
const listed = (times: Readonly<Record<string, number>>) =>
  Object.entries(times)
    .toSorted(([, one], [, other]) => other - one)
    .map(([name, count]) => `${name} ${number(count)}`)
    .join(", ")

/** What the simulations have found, and where they ran. */
export interface Measured {
  readonly date: string
  readonly node: string
  /** Of one process against a hostile Discord; undefined where that was not run. */
  readonly process: Report | undefined
  /** Of clusters. */
  readonly cluster: ClusterReport | undefined
}

/** The figures by their names, as they are written. */
export const figuresOf = ({ cluster, date, node, process }: Measured): ReadonlyMap<string, string> => {
  const figures = new Map<string, string>()
  if (process !== undefined) {
    figures.set("process.when", `${date}, Node.js ${node}`)
    figures.set("process.failed", number(process.failedSeeds.length))
    figures.set("process.met", listed(process.met))
    for (const name of [
      "seeds",
      "virtualHours",
      "faults",
      "dispatched",
      "lost",
      "duplicated",
      "outOfOrder",
      "kills",
      "redelivered",
      "identifies",
      "identifyViolations",
      "foundDeaf",
      "stuck"
    ] as const) {
      figures.set(`process.${name}`, number(process[name]))
    }
  }
  if (cluster !== undefined) {
    figures.set("cluster.when", `${date}, Node.js ${node}`)
    figures.set("cluster.failed", number(cluster.failedSeeds.length))
    const { Dispatch: _, ...troubles } = cluster.troubles
    figures.set("cluster.troubles", listed(troubles))
    for (const name of [
      "seeds",
      "virtualHours",
      "dispatched",
      "lost",
      "twice",
      "atOnce",
      "identifies",
      "identifyViolations",
      "recovery",
      "stuck"
    ] as const) {
      figures.set(`cluster.${name}`, number(cluster[name]))
    }
  }
  return figures
}

const marked = /<!-- ([a-z]+\.[a-zA-Z]+) -->([^<]*)<!-- \/ -->/g

/** The names of the figures in a page. */
export const namesIn = (page: string): ReadonlyArray<string> => [...page.matchAll(marked)].map(([, name = ""]) => name)

/** The page with these figures; others stay as they are. */
export const write = (page: string, figures: ReadonlyMap<string, string>): string =>
  page.replace(marked, (whole, name: string) =>
    figures.has(name) ? `<!-- ${name} -->${figures.get(name)}<!-- / -->` : whole
  )
