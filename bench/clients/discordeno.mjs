import { createGatewayManager } from "@discordeno/gateway"

const silent = Object.fromEntries(["debug", "info", "warn", "error", "fatal"].map((level) => [level, () => {}]))

const run =
  (options) =>
  ({ compression, consume, shards = 1, url }) => {
    const manager = createGatewayManager({
      token: "token",
      intents: 0,
      url,
      connection: {
        url,
        shards,
        sessionStartLimit: { total: 100_000, remaining: 100_000, resetAfter: 86_400_000, maxConcurrency: shards }
      },
      totalShards: shards,
      spawnShardDelay: 0,
      resharding: { enabled: false },
      transportCompression: compression === "none" ? null : compression,
      logger: silent,
      events: consume === undefined ? {} : { message: (_shard, { d, op, t }) => op === 0 && consume(t, d) },
      ...options
    })
    return manager.spawnShards()
  }

/** Field names in camelCase, as it comes. */
export const camelCase = run({})

/** Field names as Discord sends them, as all others give them. */
export const snakeCase = run({ preferSnakeCase: true })
