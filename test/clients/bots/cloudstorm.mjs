import { Client } from "cloudstorm"
import { SnowTransfer } from "snowtransfer"

export default async ({ apiUrl, event, intents, problem, shards = 1, token }) => {
  const rest = new SnowTransfer(token, { baseHost: apiUrl.replace(/\/api$/, "") })
  const client = new Client(token, {
    intents,
    shards: Array.from({ length: shards }, (_, id) => id),
    totalShards: shards,
    snowtransferInstance: rest
  })
  let chunk
  client.on("error", problem)
  client.on("event", ({ d, op, t }) => {
    if (op !== 0) return
    if (t === "GUILD_MEMBERS_CHUNK") chunk?.(d.members.length)
    event(t, d)
  })
  await client.connect()
  return {
    setPresence: () => client.presenceUpdate({ status: "idle", activities: [], since: null, afk: false }),
    stop: () => client.disconnect(),
    askForMembers: (guild_id) =>
      new Promise((resolve, reject) => {
        chunk = resolve
        setTimeout(reject, 10_000)
        client.requestGuildMembers(0, { guild_id, limit: 0 }).catch(reject)
      })
  }
}
