// Runs an example against a simulated Discord, until it is stopped: npm run example echo-by-rest
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { DiscordSimulator, sampleEvent } from "disruption-gateway/testing"
import { Console, Context, Effect, Layer, Redacted, Stdio } from "effect"
import { ChildProcess } from "effect/process"
import { fileURLToPath } from "node:url"

const program = Effect.gen(function* () {
  const { args } = yield* Stdio.Stdio
  const [name = "basic-bot"] = yield* args
  const { apiUrl, dispatch, token } = yield* DiscordSimulator
  const others = yield* Layer.build(Layer.fresh(DiscordSimulator.serve({ token: "token-of-another-bot" })))
  const other = Context.get(others, DiscordSimulator)
  const { guild_id: GUILD, channel_id: CHANNEL } = sampleEvent("VOICE_STATE_UPDATE")
  const bot = yield* ChildProcess.make(process.execPath, [fileURLToPath(new URL(`${name}.js`, import.meta.url))], {
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
    extendEnv: true,
    env: {
      DISCORD_TOKEN: Redacted.value(token),
      DISCORD_API_URL: apiUrl,
      BOT_TOKEN: Redacted.value(token),
      BOT_API_URL: apiUrl,
      ALPHA_DISCORD_TOKEN: Redacted.value(token),
      ALPHA_DISCORD_API_URL: apiUrl,
      BETA_DISCORD_TOKEN: Redacted.value(other.token),
      BETA_DISCORD_API_URL: other.apiUrl,
      GUILD: GUILD ?? "",
      CHANNEL: CHANNEL ?? ""
    }
  })
  const ask = dispatch("MESSAGE_CREATE", sampleEvent("MESSAGE_CREATE", { content: "!echo hello" }))
  yield* Effect.forkScoped(Effect.forever(Effect.delay(ask, "3 seconds")))
  yield* Effect.forkScoped(DiscordSimulator.traffic({ perSecond: 3, guilds: 3, incidents: "20 seconds" }))
  yield* Console.log(`# ${name} ended with ${yield* bot.exitCode}`)
})

program.pipe(
  Effect.scoped,
  Effect.provide([DiscordSimulator.serve({ guilds: 3, shards: 2, maxConcurrency: 2 }), NodeServices.layer]),
  NodeRuntime.runMain
)
