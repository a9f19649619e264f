/**
 * Session of a shard, as RESUME needs it. It outlives its connections, and with a durable store also the process.
 */
import * as Schema from "effect/Schema"
import { Identity } from "./Identity.ts"
import { ShardId } from "./ShardId.ts"

/**
 * Count of a shard's guilds.
 *
 * @category models
 * @since 0.1.0
 */
export interface GuildTally {
  /** Guilds that READY named, less those that were left since. */
  readonly known: number
  /** Guilds that are available. */
  readonly available: number
}

/**
 * A gateway session of one shard.
 *
 * @category models
 * @since 0.1.0
 */
export class Session extends Schema.Class<Session>("disruption-gateway/Session")({
  /** READY's `session_id`. */
  id: Schema.NonEmptyString,
  /** READY's `resume_gateway_url`: the URL for a RESUME. */
  resumeUrl: Schema.NonEmptyString,
  /** Sequence for a RESUME: that of the last payload that needs no replay. */
  sequence: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  shard: ShardId,
  /** Intents of its IDENTIFY: a RESUME cannot change them. */
  intents: Schema.Int,
  /** Capabilities of its IDENTIFY, which a RESUME cannot change, either. Absent for none. */
  capabilities: Schema.optionalKey(Schema.Int),
  /**
   * Number of processes that have taken the session over at this sequence without getting any further. Absent where the last one
   * ended in peace, with everything handled that it had been given.
   */
  starts: Schema.optionalKey(Schema.Int),
  /** Sequence up to which handlers of the last of these processes may have begun with payloads. Absent where that is not known. */
  begun: Schema.optionalKey(Schema.Int),
  /** The `gatewayUrl` or `apiUrl` through which it was started: it is not resumed from elsewhere. */
  origin: Schema.String,
  /** True where its guilds are in `GuildSnapshots`, up to this sequence at least. */
  hasGuilds: Schema.optionalKey(Schema.Boolean),
  /** Count of its guilds at this sequence. Absent in sessions that were stored before there was one. */
  guildCount: Schema.optionalKey(Schema.Struct({ known: Schema.Int, available: Schema.Int })),
  /** Identity of its READY. Absent in sessions that were stored before there was one. */
  identity: Schema.optionalKey(Identity)
}) {}
