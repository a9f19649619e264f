/**
 * The data of the payloads that steer a connection: HELLO, READY and Invalid Session.
 *
 * Only what we act upon is described; the rest of `d` is for the program, which gets the payload as it came.
 */
import * as Schema from "effect/Schema"

/** op 10: the first payload of a connection. */
export class Hello extends Schema.Class<Hello>("disruption-gateway/Hello")({
  /** Milliseconds between two heartbeats. */
  heartbeat_interval: Schema.Finite.check(Schema.isGreaterThan(0))
}) {}

/** Dispatch READY: the answer to IDENTIFY. */
export class Ready extends Schema.Class<Ready>("disruption-gateway/Ready")({
  session_id: Schema.NonEmptyString,
  /** Where to connect for a RESUME, without a query. */
  resume_gateway_url: Schema.NonEmptyString
}) {}

/** Reads HELLO's data. */
export const decodeHello = Schema.decodeUnknownResult(Hello)

/** Reads READY's data. */
export const decodeReady = Schema.decodeUnknownResult(Ready)

/** Whether op 9 leaves the session alive. */
export const isResumable = (d: unknown): boolean => d === true
