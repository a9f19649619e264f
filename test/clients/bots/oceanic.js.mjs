import { Client } from "oceanic.js"

export default async ({ apiUrl, event, intents, problem, token }) => {
  const client = new Client({
    auth: `Bot ${token}`,
    gateway: { intents, compress: "zlib-stream" },
    rest: { baseURL: `${apiUrl}/v10` }
  })
  client.on("error", problem)
  client.on("warn", problem)
  client.on("packet", ({ d, op, t }) => {
    if (op === 0) event(t, d)
  })
  await client.connect()
  return { askForMembers: async (guild) => (await client.guilds.get(guild).requestMembers({ timeout: 10_000 })).length }
}
