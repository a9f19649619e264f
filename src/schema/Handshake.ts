/**
 * Payloads that the library itself sends: IDENTIFY, RESUME and heartbeats.
 *
 * The token stays redacted until the frame is encoded.
 */
import type { GatewayPresenceUpdateData } from "discord-api-types/v10"
import * as Redacted from "effect/Redacted"
import { GatewayOpcode } from "./GatewayOpcode.ts"
import type { Session } from "./Session.ts"
import type { ShardId } from "./ShardId.ts"

/**
 * Client description in IDENTIFY.
 *
 * @category models
 * @since 0.1.0
 */
export interface IdentifyProperties {
  readonly os: string
  readonly browser: string
  readonly device: string
}

/**
 * IDENTIFY, op 2: starts a session.
 *
 * Discord, "Identify": https://discord.com/developers/docs/events/gateway-events#identify
 */
export interface Identify {
  readonly op: typeof GatewayOpcode.Identify
  readonly d: {
    readonly token: Redacted.Redacted<string>
    readonly intents: number
    readonly properties: IdentifyProperties
    readonly shard: readonly [id: number, total: number]
    readonly presence?: GatewayPresenceUpdateData
    /** Payload compression: Discord may compress single payloads. */
    readonly compress?: true
    /** Member count, 50 to 250, above which a guild comes without its offline members. */
    readonly large_threshold?: number
    /** A bit field of `Capabilities`. */
    readonly capabilities?: number
  }
}

/**
 * RESUME, op 6: continues a session.
 *
 * Discord, "Resume": https://discord.com/developers/docs/events/gateway-events#resume
 */
export interface Resume {
  readonly op: typeof GatewayOpcode.Resume
  readonly d: {
    readonly token: Redacted.Redacted<string>
    readonly session_id: string
    readonly seq: number
  }
}

/**
 * Heartbeat, op 1. `d` is the sequence that a RESUME would take: with a durable store the stored one, otherwise the
 * last received; null before the first.
 */
export interface HeartbeatEvent {
  readonly op: typeof GatewayOpcode.Heartbeat
  readonly d: number | null
}

/** A payload that the library itself sends. */
export type Handshake = Identify | Resume | HeartbeatEvent

/** The IDENTIFY of a shard. */
export const identify = (
  shard: ShardId,
  options: {
    readonly token: Redacted.Redacted<string>
    readonly intents: number
    readonly properties: IdentifyProperties
    readonly presence: GatewayPresenceUpdateData | undefined
    readonly largeThreshold: number | undefined
    readonly compress: boolean
    /** Zero for none, which is left out. */
    readonly capabilities: number
  }
): Identify => ({
  op: GatewayOpcode.Identify,
  d: {
    token: options.token,
    intents: options.intents,
    properties: options.properties,
    shard: [shard.id, shard.total],
    ...(options.compress ? { compress: true } : {}),
    ...(options.presence === undefined ? {} : { presence: options.presence }),
    ...(options.largeThreshold === undefined ? {} : { large_threshold: options.largeThreshold }),
    ...(options.capabilities === 0 ? {} : { capabilities: options.capabilities })
  }
})

/** The RESUME of a session. */
export const resume = (session: Session, token: Redacted.Redacted<string>): Resume => ({
  op: GatewayOpcode.Resume,
  d: { token, session_id: session.id, seq: session.sequence }
})

/** A heartbeat with the sequence that a RESUME would take. */
export const heartbeat = (sequence: number | null): HeartbeatEvent => ({ op: GatewayOpcode.Heartbeat, d: sequence })

/** Text frame of a payload: the one place where the token is revealed. */
export const encodeHandshake = (event: Handshake): string =>
  JSON.stringify(
    event.op === GatewayOpcode.Heartbeat
      ? event
      : { op: event.op, d: { ...event.d, token: Redacted.value(event.d.token) } }
  )
