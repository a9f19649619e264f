import { Client } from "discord.js"

export default async ({ apiUrl, event, intents, problem, shards = 1, token }) => {
  const client = new Client({ intents, shardCount: shards, rest: { api: apiUrl } })
  client.on("error", problem)
  client.on("warn", problem)
  client.on("raw", ({ d, t }) => event(t, d))
  client.on("messageCreate", ({ channel, guild, member }) => {
    // Throws where a role, a member or the bot is missing.
    if (!channel.permissionsFor(member).has("ViewChannel")) problem("a member that cannot see its channel")
    if (!channel.permissionsFor(guild.members.me).has("SendMessages")) problem("the bot cannot send")
  })
  client.on("voiceStateUpdate", (_, { channel }) => {
    if (channel !== null && !channel.isVoiceBased()) problem("a voice state in a channel without voice")
  })
  await client.login(token)
  return {
    setPresence: () => client.user.setPresence({ status: "idle", activities: [] }),
    stop: () => client.destroy(),
    askForMembers: async (guild) => (await client.guilds.cache.get(guild).members.fetch({ time: 10_000 })).size
  }
}
