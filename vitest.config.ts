import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

// Vitest's reporter groups failures by Map.groupBy, which Node 20 does not have: without it a red run shows no reason.
if (!("groupBy" in Map)) {
  Object.assign(Map, {
    groupBy: <K, A>(items: Iterable<A>, keyOf: (item: A, index: number) => K) => {
      const groups = new Map<K, Array<A>>()
      let index = 0
      for (const item of items) {
        const key = keyOf(item, index++)
        const group = groups.get(key)
        if (group === undefined) groups.set(key, [item])
        else group.push(item)
      }
      return groups
    }
  })
}

const source = (entry: string) => fileURLToPath(new URL(`./src/${entry}.ts`, import.meta.url))

export default defineConfig({
  resolve: {
    // Examples import the package by its public names; tests run them against the sources.
    alias: [
      { find: /^disruption-gateway$/, replacement: source("index") },
      { find: /^disruption-gateway\/dashboard$/, replacement: source("dashboard") },
      { find: /^disruption-gateway\/cluster$/, replacement: source("cluster") },
      { find: /^disruption-gateway\/node$/, replacement: source("node") },
      { find: /^disruption-gateway\/testing$/, replacement: source("testing") }
    ]
  },
  test: { include: ["test/**/*.test.ts", "examples/**/*.test.ts"], testTimeout: 20_000 }
})
