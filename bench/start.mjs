// How soon the command starts, and how long the library takes to load: `npm run bench:start`. Ratios to `node -e 0` of the
// same run, taken in turn; a line's time is that of the first byte on standard output.
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const command = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url))
const load = (...specifiers) => [
  "--input-type=module",
  "--eval",
  `${specifiers.map((specifier) => `await import(${JSON.stringify(specifier)})`).join(";")};console.log("loaded")`
]

const subjects = {
  "node -e 0": ["--eval", "0"],
  "disruption-gateway --help": [command, "--help"],
  "disruption-gateway run": [command, "run", "--for", "1s"],
  'import "effect"': load("effect"),
  'import "disruption-gateway"': load("disruption-gateway"),
  'import "disruption-gateway/node"': load("disruption-gateway/node"),
  both: load("effect", "disruption-gateway/node")
}

/** Milliseconds until the first output, or the end where there is none. */
const timeOf = (args) =>
  new Promise((resolve) => {
    const start = performance.now()
    const child = spawn(process.execPath, args, {
      cwd: fileURLToPath(new URL("..", import.meta.url)),
      stdio: ["ignore", "pipe", "inherit"],
      env: { PATH: process.env.PATH }
    })
    let first
    child.stdout.once("data", () => {
      first = performance.now() - start
      child.kill("SIGKILL")
    })
    child.once("close", () => resolve(first ?? performance.now() - start))
  })

const median = (times) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]

const rounds = Number(process.argv[2] ?? 11)
const times = Object.fromEntries(Object.keys(subjects).map((name) => [name, []]))
for (let round = 0; round <= rounds; round++) {
  for (const [name, args] of Object.entries(subjects)) {
    const time = await timeOf(args)
    // The first round fills the caches.
    if (round > 0) times[name].push(time)
  }
}
const floor = median(times["node -e 0"])
console.log(`Node.js ${process.versions.node}, ${rounds} rounds, medians, as ratios to node -e 0:`)
for (const [name, all] of Object.entries(times)) {
  console.log(`${(median(all) / floor).toFixed(2).padStart(6)}  ${name}`)
}
