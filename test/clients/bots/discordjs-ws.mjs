import { REST } from "@discordjs/rest"
import { WebSocketManager } from "@discordjs/ws"

export default async ({ apiUrl, event, intents, problem, token }) => {
  const rest = new REST({ api: apiUrl, version: "10" }).setToken(token)
  const manager = new WebSocketManager({
    token,
    intents,
    rest,
    fetchGatewayInformation: () => rest.get("/gateway/bot")
  })
  let chunk
  manager.on("error", ({ error }) => problem(error))
  manager.on("dispatch", (dispatched) => {
    const { d, t } = dispatched.data ?? dispatched
    if (t === "GUILD_MEMBERS_CHUNK") chunk?.(d.members.length)
    event(t, d)
  })
  await manager.connect()
  return {
    askForMembers: (guild_id) =>
      new Promise((resolve, reject) => {
        chunk = resolve
        setTimeout(reject, 10_000)
        manager.send(0, { op: 8, d: { guild_id, query: "", limit: 0 } }).catch(reject)
      })
  }
}
