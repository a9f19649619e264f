/**
 * READY, the payload at the start of a session.
 */
import { application } from "./Application.ts"
import { applicationId, bot } from "./Bot.ts"
import type { Settings } from "./SimulatorOptions.ts"

/** The `d` of READY. */
export const ready = (options: {
  readonly settings: Settings
  /** Ids of the shard's guilds. */
  readonly guilds: ReadonlyArray<string>
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
  guilds: options.guilds.map((id) => ({ id, unavailable: true })),
  session_id: options.sessionId,
  session_type: "normal",
  resume_gateway_url: options.settings.resumeUrl,
  ...(options.sharded ? { shard: options.shard } : {}),
  application: flagged(options.settings, options.guilds.length)
})

const flagged = (settings: Settings, guilds: number) => {
  const { flags, flags_new } = application(settings, guilds)
  return { id: applicationId, flags, flags_new }
}
