import { Client } from "cloudstorm"

export default async ({ compression, consume, shards = 1, url }) => {
  const info = {
    url,
    shards,
    session_start_limit: { total: 100_000, remaining: 100_000, reset_after: 86_400_000, max_concurrency: 1000 }
  }
  const client = new Client("token", {
    intents: 0,
    shards: Array.from({ length: shards }, (_, id) => id),
    totalShards: shards,
    snowtransferInstance: { bot: { getGatewayBot: async () => info } },
    ws: { compress: compression !== "none" }
  })
  client.on("error", (error) => {
    throw error
  })
  if (consume !== undefined) client.on("dispatch", ({ d, t }) => consume(t, d))
  await client.connect()
}
