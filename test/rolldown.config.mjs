// Bundles the programs that tests and measurements run as processes and threads of their own.
import { defineConfig } from "rolldown"

export default defineConfig({
  input: {
    simulate: "test/simulation/main.ts",
    worker: "test/simulation/worker.ts",
    prove: "test/cluster/main.ts",
    machine: "test/cluster/machine.ts",
    deliver: "test/delivery/main.ts",
    program: "test/delivery/programs.ts",
    owner: "test/owner/bot.ts",
    relay: "test/relay/relay.ts",
    relayfleet: "test/relay/fleet.ts",
    relaybot: "test/relay/bot.ts",
    relayprove: "test/relay/main.ts",
    growth: "test/growth/main.ts",
    guilds: "test/guilds/main.ts",
    silence: "test/silence/main.ts",
    incidents: "test/incidents/main.ts",
    "incident-bot": "test/incidents/bot.ts",
    promises: "test/promises/main.ts",
    screenshots: "scripts/screenshots.mjs"
  },
  platform: "node",
  // Optional parts of the client of PostgreSQL, and what drives a browser.
  external: [/^pg-native$/, "playwright-core"],
  output: { dir: "test/dist", format: "esm", entryFileNames: "[name].js", chunkFileNames: "shared/[name].js" }
})
