/**
 * Data of the payloads that control a connection: HELLO, READY and Invalid Session.
 *
 * The schemas have only the fields that the library uses. The program gets the payload unchanged.
 */
import * as Schema from "effect/Schema"

/** HELLO, op 10: the first payload of a connection. */
export class Hello extends Schema.Class<Hello>("disruption-gateway/Hello")({
  /** Milliseconds between two heartbeats. */
  heartbeat_interval: Schema.Finite.check(Schema.isGreaterThan(0))
}) {}

/** READY: the dispatch that answers IDENTIFY. */
export class Ready extends Schema.Class<Ready>("disruption-gateway/Ready")({
  session_id: Schema.NonEmptyString,
  /** URL to connect to for a RESUME, without a query. */
  resume_gateway_url: Schema.NonEmptyString
}) {}

/** Decoder of HELLO's data. */
export const decodeHello = Schema.decodeUnknownResult(Hello)

/** Decoder of READY's data. */
export const decodeReady = Schema.decodeUnknownResult(Ready)

/** Test of the data of op 9: true if the session can be resumed. */
export const isResumable = (d: unknown): boolean => d === true
