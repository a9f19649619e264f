/**
 * The bot's application: GET /applications/@me, whose flags tell the privileged intents that the bot has.
 *
 * Discord, "Application Flags": https://discord.com/developers/docs/resources/application#application-object-application-flags
 */
import { Intents } from "../schema/Intents.ts"
import { applicationId } from "./Bot.ts"
import { user } from "./SampleMembers.ts"
import type { Settings } from "./SimulatorOptions.ts"

/** Flags of bots with few users, for whom a switch in the Developer Portal is enough. */
const limitedFlags = [
  [Intents.GUILD_PRESENCES, 1 << 13],
  [Intents.GUILD_MEMBERS, 1 << 15],
  [Intents.MESSAGE_CONTENT, 1 << 19]
] as const

/** Flags for the privileged intents that the bot may use. */
const flagsOf = ({ disallowedIntents }: Settings): number =>
  limitedFlags.reduce((flags, [intent, flag]) => ((disallowedIntents & intent) === 0 ? flags | flag : flags), 0)

/** The application. */
export const application = (settings: Settings, guilds: number) => ({
  id: applicationId,
  name: "simulated-bot",
  icon: null,
  description: "",
  summary: "",
  bot_public: true,
  bot_require_code_grant: false,
  verify_key: "0".repeat(64),
  team: null,
  flags: flagsOf(settings),
  flags_new: String(flagsOf(settings)),
  owner: user(0),
  approximate_guild_count: guilds
})
