import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { REST } from "@discordjs/rest"
import { WebSocketManager } from "@discordjs/ws"

export default async ({ apiUrl, event, intents, problem, sessions, shards = 1, token }) => {
  const rest = new REST({ api: apiUrl, version: "10" }).setToken(token)
  const manager = new WebSocketManager({
    token,
    intents,
    rest,
    shardCount: shards,
    fetchGatewayInformation: () => rest.get("/gateway/bot"),
    ...(sessions === undefined
      ? {}
      : {
          retrieveSessionInfo: () => (existsSync(sessions) ? JSON.parse(readFileSync(sessions, "utf8")) : null),
          updateSessionInfo: (_, info) => writeFileSync(sessions, JSON.stringify(info))
        })
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
    setPresence: () => manager.send(0, { op: 3, d: { status: "idle", activities: [], since: null, afk: false } }),
    stop: () => manager.destroy(),
    askForMembers: (guild_id) =>
      new Promise((resolve, reject) => {
        chunk = resolve
        setTimeout(reject, 10_000)
        manager.send(0, { op: 8, d: { guild_id, query: "", limit: 0 } }).catch(reject)
      })
  }
}
