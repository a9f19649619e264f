/**
 * Session of a shard, as RESUME needs it. It outlives its connections, and with a durable store also the process.
 */
import * as Schema from "effect/Schema"
import { ShardId } from "./ShardId.ts"

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
  /** The `gatewayUrl` or `apiUrl` of its IDENTIFY: it is not resumed through another. */
  origin: Schema.String
}) {}
