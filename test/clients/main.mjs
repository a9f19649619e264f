// Clients of other libraries against `disruption-gateway simulate`: each logs in, takes 500 events, comes through incidents and
// asks for members, with nothing of it replaced. `npm run clients`, or `npm run clients -- eris discord.py`.
//
// The libraries are installed into a folder of their own, without install scripts. It is made anew in the folder for temporary
// files, or is the one of DISCORD_CLIENTS, which is kept.
import { execFileSync, spawn } from "node:child_process"
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

const here = fileURLToPath(new URL(".", import.meta.url))
const command = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url))
const wantedEvents = 500
/** Times that a client has to come back, one of them by RESUME. Some identify again after an op 9 that could be resumed. */
const wantedReturns = 2
const patience = 240_000

const all = ["@discordjs/ws", "discord.js", "oceanic.js", "eris", "cloudstorm", "discordeno", "seyfert", "discord.py"]
const asked = process.argv.slice(2)
const chosen = asked.length === 0 ? all : all.filter((name) => asked.includes(name))

const kept = process.env["DISCORD_CLIENTS"]
const folder = kept ?? mkdtempSync(join(tmpdir(), "disruption-gateway-clients-"))
mkdirSync(folder, { recursive: true })
if (kept === undefined) process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
cpSync(here, folder, { recursive: true })
if (chosen.some((name) => name !== "discord.py") && !existsSync(join(folder, "node_modules"))) {
  execFileSync("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: folder, stdio: "inherit" })
}

/** Debian's python3-discord is a package of the system's Python. */
const python = "/usr/bin/python3"

const startBot = (name, env) => {
  const options = { cwd: folder, env: { PATH: process.env["PATH"], HOME: folder, ...env } }
  return name === "discord.py"
    ? spawn(python, [join(folder, "bots", "discord_py.py")], options)
    : spawn(process.execPath, [join(folder, "client.mjs"), name.replace("@", "").replace("/", "-")], options)
}

const run = (name) =>
  new Promise((resolve) => {
    const simulator = spawn(process.execPath, [command, "simulate", "--rate", "40", "--incidents", "20s"])
    const seen = { events: 0, resumes: 0, identifies: 0, refusals: [], eventsSinceReturn: 0, members: 0, problems: [] }
    let bot
    let env = {}
    const end = () => {
      clearTimeout(timer)
      bot?.kill("SIGKILL")
      simulator.kill("SIGKILL")
      resolve({ name, ...seen })
    }
    const timer = setTimeout(() => {
      seen.problems.push(`not done in ${patience / 1000} s`)
      end()
    }, patience)
    const isDone = () =>
      seen.events >= wantedEvents &&
      seen.resumes >= 1 &&
      seen.resumes + seen.identifies > wantedReturns &&
      seen.eventsSinceReturn >= 50 &&
      (seen.members > 0 || seen.problems.length > 0)

    createInterface({ input: simulator.stderr }).on("line", () => {})
    createInterface({ input: simulator.stdout }).on("line", (line) => {
      const [, variable, value] = /^export (\w+)=(.*)$/.exec(line) ?? []
      if (variable !== undefined) env = { ...env, [variable]: value }
      if (variable === "DISCORD_API_URL") {
        bot = startBot(name, env)
        watch(bot)
      }
      if (/: identified as/.test(line)) seen.identifies += 1
      if (/: resumed shard/.test(line)) seen.resumes += 1
      if (/: (identified as|resumed shard)/.test(line)) seen.eventsSinceReturn = 0
      if (/closed by the simulator with (4001|4002|4003|4004|4005|4008|4009|401\d)/.test(line)) seen.refusals.push(line)
    })
    const watch = (bot) => {
      bot.on("error", (error) => {
        seen.problems.push(String(error))
        end()
      })
      bot.on("exit", (code) => {
        if (isDone()) return
        seen.problems.push(`ended with ${code}`)
        end()
      })
      createInterface({ input: bot.stderr }).on("line", (line) => {
        if (seen.problems.length < 20) seen.problems.push(line)
      })
      createInterface({ input: bot.stdout }).on("line", (line) => {
        const [kind, ...rest] = line.split(" ")
        if (kind === "event") {
          seen.events += 1
          seen.eventsSinceReturn += 1
        } else if (kind === "members") seen.members = Number(rest[0])
        else if (seen.problems.length < 20) seen.problems.push(line)
        if (isDone()) end()
      })
    }
  })

let failed = 0
for (const { name, events, identifies, members, problems, refusals, resumes } of await Promise.all(chosen.map(run))) {
  const isGood = problems.length === 0 && refusals.length === 0
  if (!isGood) failed += 1
  console.log(
    `${isGood ? "ok    " : "FAILED"} ${name}: ${events} events, ${identifies} identified, ${resumes} resumed, ${members} members`
  )
  for (const problem of [...refusals, ...problems]) console.log(`         ${problem}`)
}
process.exitCode = failed === 0 ? 0 : 1
