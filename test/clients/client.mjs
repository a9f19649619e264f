// One client in a process of its own: `node client.mjs discord.js`. It writes a line for each event, for the members that it was
// given, and for whatever a library warns of or throws.
const { default: start } = await import(`./bots/${process.argv[2]}.mjs`)

const say = (line) => process.stdout.write(`${line}\n`)
const problem = (what) =>
  say(
    `problem ${(what instanceof Error ? (what.stack ?? what.message) : String(what)).split("\n").slice(0, 3).join(" | ")}`
  )
process.on("uncaughtException", problem)
process.on("unhandledRejection", problem)
process.on("warning", problem)

let events = 0
let guild
let asking
let client

client = await start({
  token: process.env["DISCORD_TOKEN"],
  /** Without the version, which most libraries add. */
  apiUrl: process.env["DISCORD_API_URL"].replace(/\/v\d+$/, ""),
  /** Every intent but those of polls, which not every library knows. */
  intents: 3276799,
  problem,
  event: (name, d) => {
    say(`event ${name}`)
    events += 1
    if (name === "GUILD_CREATE") guild = d.id
    // Some answers are lost with their connection, so it is asked again until there is one.
    if (events % 100 === 0 && client !== undefined && guild !== undefined && asking === undefined) {
      asking = client.askForMembers(guild).then(
        (count) => say(`members ${count}`),
        () => {
          asking = undefined
        }
      )
    }
  }
})
