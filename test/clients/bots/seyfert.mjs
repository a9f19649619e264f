import https from "node:https"
import { connect } from "node:net"
import seyfert from "seyfert"

const { ApiHandler, Client, Logger } = seyfert

export default async ({ apiUrl, event, intents, problem, token }) => {
  // Seyfert's WebSocket speaks TLS to port 443 only; the process's agent leads it to the simulator, without TLS.
  https.globalAgent.createConnection = () => connect(Number(new URL(apiUrl).port), "127.0.0.1")
  Logger.customize((_, level, args) => {
    // Levels from 2 are warnings and errors.
    if (level >= 2) problem(args.map(String).join(" "))
    return undefined
  })
  const client = new Client({
    getRC: () => ({ token, intents, locations: { base: "." }, debug: false }),
    handlePayload: (_, { d, op, t }) => {
      if (op === 0) event(t, d)
    }
  })
  client.setServices({ rest: new ApiHandler({ token, domain: apiUrl.replace(/\/api$/, "") }) })
  await client.start()
  return {
    askForMembers: async (guild_id) => {
      const late = new Promise((_, reject) => setTimeout(reject, 10_000))
      const members = client.gateway.get(0).requestGuildMember({ guild_id, query: "", limit: 0 })
      return (await Promise.race([late, members])).members.length
    }
  }
}
