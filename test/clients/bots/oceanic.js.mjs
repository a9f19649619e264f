import { Client } from "oceanic.js"

export default async ({ apiUrl, event, intents, problem, shards = 1, token }) => {
  const client = new Client({
    auth: `Bot ${token}`,
    gateway: { intents, compress: "zlib-stream", maxShards: shards },
    rest: { baseURL: `${apiUrl}/v10` }
  })
  client.on("error", problem)
  client.on("warn", problem)
  client.on("packet", ({ d, op, t }) => {
    if (op === 0) event(t, d)
  })
  await client.connect()
  return {
    setPresence: () => client.editStatus("idle"),
    stop: () => client.disconnect(false),
    askForMembers: async (guild) => (await client.guilds.get(guild).requestMembers({ timeout: 10_000 })).length
  }
}
