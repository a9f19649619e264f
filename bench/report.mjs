// From what was measured to what is read: medians, ratios to the floor of the same round, tables, goals.
import { makeRandom } from "./random.mjs"
import { clients, goals, measures, scenarios } from "./scenarios.mjs"

export const median = (numbers) => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Resamples of the bootstrap. */
const resamples = 2000

/**
 * Where the median would lie in 95 of 100 repetitions of the same number of rounds: percentile bootstrap, from a seed, so that
 * the same numbers have the same interval.
 */
export const interval = (numbers) => {
  const random = makeRandom(1)
  const medians = Array.from({ length: resamples }, () => median(numbers.map(() => random.pick(numbers)))).toSorted(
    (a, b) => a - b
  )
  return { from: medians[Math.floor(resamples * 0.025)], to: medians[Math.ceil(resamples * 0.975) - 1] }
}

/** The median over the rounds of one client's measure divided by another's, with its interval. */
export const ratio = (results, { client, measure, scenario, to }) => {
  const rounds = results[scenario]?.rounds ?? []
  const both = rounds.filter((round) => round[client]?.[measure] !== undefined && round[to]?.[measure] !== undefined)
  if (both.length === 0) return undefined
  const ratios = both.map((round) => round[client][measure] / round[to][measure])
  return { is: median(ratios), ...interval(ratios) }
}

/** A ratio as people read it: 1.18 [1.15–1.22]. */
const ratioText = ({ from, is, to }) => `${is.toFixed(2)} [${from.toFixed(2)}–${to.toFixed(2)}]`

const values = (rounds, client, measure) =>
  rounds.flatMap((round) => (round[client]?.[measure] === undefined ? [] : [round[client][measure]]))

const cell = (rounds, client, measure) => {
  const all = values(rounds, client, measure)
  if (all.length === 0) return "–"
  const { digits } = measures[measure]
  return median(all).toFixed(digits)
}

const table = (rows) => {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  const line = (row) =>
    `| ${row.map((text, column) => (column === 0 ? text.padEnd(widths[column]) : text.padStart(widths[column]))).join(" | ")} |`
  const rule = `| ${widths.map((width, column) => (column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)).join(" | ")} |`
  return [line(rows[0]), rule, ...rows.slice(1).map(line)].join("\n")
}

/** One scenario as a Markdown table, with the reasons for what is blank below it. */
export const scenarioTable = (results, name) => {
  const { blanks, rounds } = results[name]
  const scenario = scenarios[name]
  const [main] = scenario.measures
  const [reference] = scenario.clients
  const head = [
    "client",
    `${measures[main].title}, ${measures[main].unit}`,
    "ratio",
    ...scenario.measures.slice(1).map((measure) => `${measures[measure].title}, ${measures[measure].unit}`)
  ]
  const shown = scenario.clients.filter((client) => client in blanks || rounds.some((round) => client in round))
  const rows = shown.map((client) => {
    const by = ratio(results, { client, measure: main, scenario: name, to: reference })
    return [
      clients[client].label,
      cell(rounds, client, main),
      by === undefined ? "–" : client === reference ? "1.00" : ratioText(by),
      ...scenario.measures.slice(1).map((measure) => cell(rounds, client, measure))
    ]
  })
  const notes = Object.entries(blanks).map(([client, why]) => `${clients[client].label}: ${why}.`)
  return [
    `### ${scenario.title}`,
    "",
    table([head, ...rows]),
    ...(notes.length === 0 ? [] : ["", notes.join(" ")])
  ].join("\n")
}

/** The goals and how far they are reached. */
export const goalTable = (results) => {
  const rows = goals.flatMap((goal) => {
    const is = ratio(results, goal)
    if (is === undefined && !(goal.client in (results[goal.scenario]?.blanks ?? {}))) return []
    return [
      [
        `${scenarios[goal.scenario].title}: ${measures[goal.measure].title}, ${clients[goal.client].label.replace("**disruption-gateway** ", "")} to ${clients[goal.to].label}`,
        `≤ ${goal.most.toFixed(2)}`,
        is === undefined ? "–" : ratioText(is),
        is === undefined ? "not measured" : is.is <= goal.most ? "met" : "**missed**"
      ]
    ]
  })
  return rows.length === 0 ? "" : table([["goal", "at most", "is", ""], ...rows])
}
