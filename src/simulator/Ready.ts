/**
 * Payloads at the start of a session: READY, and a GUILD_CREATE for each guild of the shard.
 */
import { shardOfGuild } from "../schema/ShardId.ts"
import { application, applicationId } from "./Application.ts"
import { guild } from "./SampleData.ts"
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
}) => ({
  v: 10,
  user: {
    id: applicationId,
    username: "simulated-bot",
    discriminator: "0",
    global_name: null,
    avatar: null,
    bot: true,
    mfa_enabled: true,
    verified: true,
    email: null,
    flags: 0
  },
  guilds: guildsOfShard(options.settings, options.shard).map(({ id }) => ({ id, unavailable: true })),
  session_id: options.sessionId,
  session_type: "normal",
  resume_gateway_url: options.settings.resumeUrl,
  ...(options.sharded ? { shard: options.shard } : {}),
  application: { id: applicationId, flags: application(options.settings).flags }
})
