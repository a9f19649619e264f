/**
 * Opcodes of gateway payloads, their `op` field. The numbers are not contiguous.
 */

/**
 * Documented opcodes by name: `GatewayOpcode.Hello` is `10`.
 *
 * Discord, "Gateway Opcodes":
 * https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-opcodes
 *
 * @category constants
 * @since 0.1.0
 */
export const GatewayOpcode = {
  /** An event was dispatched. Receive. */
  Dispatch: 0,
  /** Keeps the connection alive; received, it asks for an immediate heartbeat. Send and receive. */
  Heartbeat: 1,
  /** Starts a new session. Send. */
  Identify: 2,
  /** Sets the bot's presence. Send. */
  PresenceUpdate: 3,
  /** Joins, moves between or leaves voice channels. Send. */
  VoiceStateUpdate: 4,
  /** Resumes a session that was disconnected. Send. */
  Resume: 6,
  /** The server wants us to reconnect and resume. Receive. */
  Reconnect: 7,
  /** Asks for members of a guild. Send. */
  RequestGuildMembers: 8,
  /** The session has been invalidated. Receive. */
  InvalidSession: 9,
  /** First payload on a connection, with the heartbeat interval. Receive. */
  Hello: 10,
  /** A heartbeat was received. Receive. */
  HeartbeatAck: 11,
  /** Asks for soundboard sounds of guilds. Send. */
  RequestSoundboardSounds: 31,
  /** Asks for channel information of a guild. Send. */
  RequestChannelInfo: 43
} as const

/**
 * A documented opcode.
 *
 * @category models
 * @since 0.1.0
 */
export type GatewayOpcode = (typeof GatewayOpcode)[keyof typeof GatewayOpcode]

const documented = new Set<number>(Object.values(GatewayOpcode))

/** Guard for documented opcodes. */
export const isDocumentedOpcode = (op: number): op is GatewayOpcode => documented.has(op)
