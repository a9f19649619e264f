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
      { find: /^disruption-gateway\/relay$/, replacement: source("relay") },
      { find: /^disruption-gateway\/relay\/nats$/, replacement: source("nats") },
      { find: /^disruption-gateway\/testing$/, replacement: source("testing") }
    ]
  },
  test: {
    // No test ends by the clock unless it hangs: a slow machine is no defect.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    // One thread for each core; by default one core is left out, which on two is half of them.
    maxWorkers: "100%",
    projects: [
      {
        extends: true,
        test: {
          name: "behaviours",
          include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
          exclude: ["test/system/**"],
          // Effect is loaded once for each thread rather than once for each file, which is most of what the suite would take.
          isolate: false
        }
      },
      {
        extends: true,
        test: {
          name: "system",
          // The latter do ten times as much here as among the behaviours.
          include: ["test/system/**/*.test.ts", "test/fuzz/**/*.test.ts", "test/gateway/StartOfManyShards.test.ts"],
          env: { SCALE: "full" },
          globalSetup: "test/system/setup.ts"
        }
      }
    ]
  }
})
