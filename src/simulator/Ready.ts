/**
 * Payloads at the start of a session: READY, and a GUILD_CREATE for each guild of the shard.
 */
import { shardOfGuild } from "../schema/ShardId.ts"
import { application } from "./Application.ts"
import { applicationId, bot } from "./Bot.ts"
import { guild } from "./SampleGuild.ts"
import type { Settings } from "./SimulatorOptions.ts"

/** Guilds of a shard, in the form of GUILD_CREATE. */
export const guildsOfShard = (settings: Settings, [id, total]: readonly [id: number, total: number]) =>
  Array.from({ length: settings.guilds }, (_, index) => guild(index)).filter(
    (candidate) => shardOfGuild(candidate.id, total) === id
  )

/** The `d` of READY. */
export const ready = (options: {
  readonly settings: Settings
  readonly sessionId: string
  readonly shard: readonly [id: number, total: number]
  /** Whether IDENTIFY had a `shard`; only then READY has one. */
  readonly sharded: boolean
  /** API version that the client has asked for. */
  readonly version: number
}) => ({
  v: options.version,
  user: bot,
  // Discord sends these to bots, too, and always empty; some clients read them.
  private_channels: [],
  relationships: [],
  presences: [],
  user_settings: {},
  guilds: guildsOfShard(options.settings, options.shard).map(({ id }) => ({ id, unavailable: true })),
  session_id: options.sessionId,
  session_type: "normal",
  resume_gateway_url: options.settings.resumeUrl,
  ...(options.sharded ? { shard: options.shard } : {}),
  application: flagged(options.settings)
})

const flagged = (settings: Settings) => {
  const { flags, flags_new } = application(settings)
  return { id: applicationId, flags, flags_new }
}
