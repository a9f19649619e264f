import { Agent } from "node:https"
import { connect } from "node:net"
import Eris from "eris"

export default async ({ apiUrl, event, intents, problem, shards = 1, token }) => {
  const { hostname, pathname, port } = new URL(apiUrl)
  // Eris asks by https only; its agent leads it to the simulator, without TLS.
  const agent = new Agent()
  agent.createConnection = () => connect(Number(port), "127.0.0.1")
  const client = new Eris(`Bot ${token}`, {
    intents,
    maxShards: shards,
    rest: { agent, domain: hostname, baseURL: `${pathname}/v10` }
  })
  client.on("error", problem)
  client.on("warn", problem)
  client.on("rawWS", ({ d, op, t }) => {
    if (op === 0) event(t, d)
  })
  await client.connect()
  return {
    setPresence: () => client.editStatus("idle"),
    stop: () => client.disconnect({ reconnect: false }),
    askForMembers: async (guild) => (await client.guilds.get(guild).fetchMembers({ timeout: 10_000 })).length
  }
}
