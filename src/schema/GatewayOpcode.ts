/**
 * What a gateway payload is about: its `op` field.
 *
 * Source: Discord, "Gateway Opcodes". Opcode 5 was never documented, and the numbers above 11 are not contiguous.
 */

/** The documented opcodes by name: `GatewayOpcode.Hello` is `10`. */
export const GatewayOpcode = {
  /** An event was dispatched. Receive. */
  Dispatch: 0,
  /** Keeps the connection alive; from the server it asks for one at once. Send and receive. */
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
  /** The first payload on a connection; has the heartbeat interval. Receive. */
  Hello: 10,
  /** A heartbeat was received. Receive. */
  HeartbeatAck: 11,
  /** Asks for soundboard sounds of guilds. Send. */
  RequestSoundboardSounds: 31,
  /** Asks for channel information of a guild. Send. */
  RequestChannelInfo: 43
} as const

/** One of the documented opcodes. */
export type GatewayOpcode = (typeof GatewayOpcode)[keyof typeof GatewayOpcode]

const documented = new Set<number>(Object.values(GatewayOpcode))

/** Whether Discord documents an opcode. */
export const isDocumentedOpcode = (op: number): op is GatewayOpcode => documented.has(op)
