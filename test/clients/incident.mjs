// One client for an incident: `node incident.mjs discord.js`. It writes a line of JSON for each event that it delivers and for
// whatever its library reports, and does what the lines of its standard input ask for. What is thrown ends it, as it ends a bot.
import { createInterface } from "node:readline"

const { default: start } = await import(`./bots/${process.argv[2]}.mjs`)

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
const problem = (what) => say({ problem: String(what instanceof Error ? what.message : what).split("\n")[0] })

let client
const asked = []
const does = {
  presence: () => client.setPresence(),
  members: ({ guild }) => client.askForMembers(guild),
  stop: () => client.stop()
}
const answer = async ({ ask, times = 1, ...more }) => {
  for (let n = 0; n < times; n++) Promise.resolve(does[ask](more)).catch(problem)
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const request = JSON.parse(line)
  if (client === undefined) asked.push(request)
  else answer(request)
})

client = await start({
  token: process.env["DISCORD_TOKEN"],
  /** Without the version, which most libraries add. */
  apiUrl: process.env["DISCORD_API_URL"].replace(/\/v\d+$/, ""),
  /** Every intent but those of polls, which not every library knows. */
  intents: 3276799,
  shards: Number(process.env["INCIDENT_SHARDS"] ?? 1),
  sessions: process.env["INCIDENT_SESSIONS"],
  problem,
  event: (t, d) =>
    say({ t, ...(typeof d?.content === "string" && d.content.length < 100 ? { content: d.content } : {}) })
}).catch((error) => {
  problem(error)
  return undefined
})
if (client !== undefined) for (const request of asked) answer(request)
