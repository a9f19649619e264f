/**
 * What it takes to RESUME: a session outlives its connections, and with a persisted store also the process.
 */
import * as Schema from "effect/Schema"
import { ShardId } from "./ShardId.ts"

/** A gateway session of one shard. */
export class Session extends Schema.Class<Session>("disruption-gateway/Session")({
  /** READY's `session_id`. */
  id: Schema.NonEmptyString,
  /** READY's `resume_gateway_url`: where to connect for a RESUME. */
  resumeUrl: Schema.NonEmptyString,
  /** The sequence that we would resume from: that of the last payload that needs no replay. */
  sequence: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  shard: ShardId,
  /** The intents that it was started with: a RESUME cannot change them. */
  intents: Schema.Int,
  /**
   * How many processes have taken the session over at this sequence without getting any further. Absent where the last one
   * ended in peace, with everything handled that it had been given.
   */
  starts: Schema.optionalKey(Schema.Int),
  /** The `gatewayUrl` or `apiUrl` through which it was started: it is not resumed from elsewhere. */
  origin: Schema.String
}) {}
