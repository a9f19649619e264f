/**
 * The instance of a bot that holds its sessions, for people to find it.
 */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"

/**
 * An instance that holds the sessions.
 *
 * @since 0.1.0
 * @category models
 */
export class SessionHolder extends Schema.Class<SessionHolder>("disruption-gateway/SessionHolder")({
  host: Schema.String,
  pid: Schema.Int,
  /** When it was started, as its clock had it. */
  since: Schema.DateTimeUtcFromString
}) {}

/** Words for a holder; undefined where it has not said who it is. */
export const describeHolder = (holder: SessionHolder | undefined): string =>
  holder === undefined
    ? "another instance"
    : `another instance (process ${holder.pid} on ${holder.host}, since ${DateTime.formatIso(holder.since)})`
