import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const source = (entry: string) => fileURLToPath(new URL(`./src/${entry}.ts`, import.meta.url))

export default defineConfig({
  resolve: {
    // Examples import the package by its public names; tests run them against the sources.
    alias: [
      { find: /^disruption-gateway$/, replacement: source("index") },
      { find: /^disruption-gateway\/node$/, replacement: source("node") },
      { find: /^disruption-gateway\/testing$/, replacement: source("testing") }
    ]
  },
  test: { include: ["test/**/*.test.ts"], testTimeout: 20_000 }
})
