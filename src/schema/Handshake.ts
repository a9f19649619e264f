/**
 * What a connection sends of its own accord: IDENTIFY, RESUME and heartbeats.
 *
 * The token stays redacted until the very frame is written. Source: Discord, "Send Events".
 */
import type { GatewayPresenceUpdateData } from "discord-api-types/v10"
import * as Redacted from "effect/Redacted"
import { GatewayOpcode } from "./GatewayOpcode.ts"
import type { Session } from "./Session.ts"
import type { ShardId } from "./ShardId.ts"

/** How a client presents itself in IDENTIFY. */
export interface IdentifyProperties {
  readonly os: string
  readonly browser: string
  readonly device: string
}

/** op 2: starts a session. */
export interface Identify {
  readonly op: typeof GatewayOpcode.Identify
  readonly d: {
    readonly token: Redacted.Redacted<string>
    readonly intents: number
    readonly properties: IdentifyProperties
    readonly shard: readonly [id: number, total: number]
    readonly presence?: GatewayPresenceUpdateData
    /** Whether Discord may compress single payloads. */
    readonly compress?: true
    /** 50 to 250: guilds with more members come without their offline ones. */
    readonly large_threshold?: number
  }
}

/** op 6: goes on with a session. */
export interface Resume {
  readonly op: typeof GatewayOpcode.Resume
  readonly d: {
    readonly token: Redacted.Redacted<string>
    readonly session_id: string
    readonly seq: number
  }
}

/** op 1: `d` is the last sequence received, null before the first. */
export interface HeartbeatEvent {
  readonly op: typeof GatewayOpcode.Heartbeat
  readonly d: number | null
}

/** A payload that a connection sends of its own accord. */
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
    ...(options.largeThreshold === undefined ? {} : { large_threshold: options.largeThreshold })
  }
})

/** The RESUME of a session. */
export const resume = (session: Session, token: Redacted.Redacted<string>): Resume => ({
  op: GatewayOpcode.Resume,
  d: { token, session_id: session.id, seq: session.sequence }
})

/** A heartbeat with the last sequence received. */
export const heartbeat = (sequence: number | null): HeartbeatEvent => ({ op: GatewayOpcode.Heartbeat, d: sequence })

/** The text frame of a payload: the one place where the token is laid bare. */
export const encodeHandshake = (event: Handshake): string =>
  JSON.stringify(
    event.op === GatewayOpcode.Heartbeat
      ? event
      : { op: event.op, d: { ...event.d, token: Redacted.value(event.d.token) } }
  )
