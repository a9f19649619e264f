// The plot of docs/performance.md: CPU time in relation to the floor, a panel for each Node.js.
import { ratio } from "./report.mjs"
import { clients, scenarios } from "./scenarios.mjs"

const shown = ["all", "steady", "all-zlib", "messages-steady", "nothing-steady"]
const colours = { floor: "#9aa4b2", own: "#5865f2", peer: "#e0a458" }
const width = 1000
const labelWidth = 250
const panelWidth = (width - labelWidth - 40) / 2
const bar = 15
const gap = 5
const groupGap = 34
/** Bars end here; what is longer says so in its number. */
const most = 2.5

const text = (x, y, content, more = "") => `<text x="${x}" y="${y}" ${more}>${content}</text>`
const nameOf = (client) => clients[client].label.replaceAll(/[`*]/g, "")

/** An SVG from the results of several runs. */
export const plot = (runs) => {
  const parts = []
  let y = 64
  runs.forEach(({ about }, i) => {
    parts.push(text(labelWidth + i * (panelWidth + 20), 48, `Node.js ${about.node.slice(1)}`, 'font-weight="bold"'))
  })
  for (const name of shown) {
    const { clients: all, measures, title } = scenarios[name]
    const [reference] = all
    const present = all.filter((client) =>
      runs.some(({ results }) => results[name]?.rounds.some((row) => client in row))
    )
    y += groupGap
    parts.push(text(10, y - 9, title, 'font-weight="bold"'))
    const top = y
    for (const client of present) {
      parts.push(text(labelWidth - 8, y + bar - 3, nameOf(client), 'text-anchor="end"'))
      runs.forEach(({ results }, i) => {
        const measured = ratio(results, { scenario: name, client, to: reference, measure: measures[0] })
        if (measured === undefined) return
        const value = measured.is
        const x = labelWidth + i * (panelWidth + 20)
        const scale = (panelWidth - 45) / most
        const length = Math.min(value, most) * scale
        const { role } = clients[client]
        parts.push(`<rect x="${x}" y="${y}" width="${length.toFixed(1)}" height="${bar}" fill="${colours[role]}"/>`)
        parts.push(text((x + length + 6).toFixed(1), y + bar - 3, value.toFixed(2)))
      })
      y += bar + gap
    }
    runs.forEach((_, i) => {
      const x = labelWidth + i * (panelWidth + 20) + (panelWidth - 45) / most
      parts.push(`<line x1="${x}" x2="${x}" y1="${top - 4}" y2="${y}" stroke="#30363d" stroke-dasharray="3 3"/>`)
    })
  }
  const height = y + 20
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12" fill="#1f2328">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(
      10,
      22,
      "CPU time in relation to ws + JSON.parse, which parses everything (1.00; less is better)",
      'font-size="15" font-weight="bold"'
    ),
    ...parts,
    "</svg>",
    ""
  ].join("\n")
}
