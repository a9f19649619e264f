// CPU profiles, added up: the functions in which the time itself was spent.
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** The functions of the profiles in a folder by self time, as a Markdown table. */
export const profileTable = (folder, prefix, count = 30) => {
  const byFunction = new Map()
  let total = 0
  for (const file of readdirSync(folder).filter((name) => name.startsWith(prefix))) {
    const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(join(folder, file), "utf8"))
    const byId = new Map(nodes.map((node) => [node.id, node.callFrame]))
    samples.forEach((id, i) => {
      const { functionName, lineNumber, url } = byId.get(id)
      if (functionName === "(idle)" || functionName === "(program)") return
      const place = url === "" ? "" : ` ${url.split("/").slice(-3).join("/")}:${lineNumber + 1}`
      const key = `${functionName === "" ? "(anonymous)" : functionName}${place}`
      byFunction.set(key, (byFunction.get(key) ?? 0) + timeDeltas[i])
      total += timeDeltas[i]
    })
  }
  const rows = [...byFunction].toSorted(([, a], [, b]) => b - a).slice(0, count)
  return [
    `| self time | of ${(total / 1e6).toFixed(2)} s | function |`,
    "| --: | --: | -- |",
    ...rows.map(
      ([key, time]) => `| ${(time / 1e3).toFixed(0)} ms | ${((100 * time) / total).toFixed(1)} % | \`${key}\` |`
    )
  ].join("\n")
}
