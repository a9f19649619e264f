import { createBot } from "@discordeno/bot"

export default async ({ apiUrl, event, intents, problem, shards = 1, token }) => {
  const quiet = { debug: () => {}, info: () => {}, warn: problem, error: problem, fatal: problem }
  const bot = createBot({
    token,
    intents,
    desiredProperties: { member: { id: true }, user: { id: true }, guild: { id: true } },
    rest: { token, proxy: { baseUrl: apiUrl, authorization: `Bot ${token}` } },
    gateway: { token, totalShards: shards, lastShardId: shards - 1, cache: { requestMembers: { enabled: true } } },
    loggerFactory: () => quiet
  })
  bot.events.raw = ({ d, op, t }) => {
    if (op === 0) event(t, d)
  }
  await bot.start()
  return {
    setPresence: () => bot.gateway.editBotStatus({ status: "idle", activities: [], since: null, afk: false }),
    stop: () => bot.shutdown(),
    askForMembers: async (guild) => {
      const late = new Promise((_, reject) => setTimeout(reject, 10_000))
      return (await Promise.race([late, bot.gateway.requestMembers(guild, { query: "", limit: 0 })])).length
    }
  }
}
