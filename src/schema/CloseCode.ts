/**
 * Close codes of Discord's gateway, and the recovery from each.
 *
 * Undocumented codes, and connections that end without a close frame, are answered by RESUME: it costs nothing, and op
 * 9 reports a session that is gone.
 */

/**
 * Recovery from a lost connection.
 *
 * - `resume`: connect again and RESUME, as the session is likely alive
 * - `identify`: connect again with a new session
 * - `fatal`: connecting again would fail the same way; a person has to act
 *
 * @category models
 * @since 0.1.0
 */
export type GatewayRecovery = "resume" | "identify" | "fatal"

/**
 * Documented close codes by name: `CloseCode.DisallowedIntents` is `4014`.
 *
 * Discord, "Gateway Close Event Codes":
 * https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes
 *
 * @category constants
 * @since 0.1.0
 */
export const CloseCode = {
  UnknownError: 4000,
  UnknownOpcode: 4001,
  DecodeError: 4002,
  NotAuthenticated: 4003,
  AuthenticationFailed: 4004,
  AlreadyAuthenticated: 4005,
  InvalidSeq: 4007,
  RateLimited: 4008,
  SessionTimedOut: 4009,
  InvalidShard: 4010,
  ShardingRequired: 4011,
  InvalidApiVersion: 4012,
  InvalidIntents: 4013,
  DisallowedIntents: 4014
} as const

/**
 * A documented close code.
 *
 * @category models
 * @since 0.1.0
 */
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode]

/**
 * Row of the close-code table.
 *
 * @category models
 * @since 0.1.0
 */
export interface CloseCodeDescription {
  readonly code: CloseCode
  /** Discord's name for the code. */
  readonly name: string
  readonly recovery: GatewayRecovery
  /** Meaning for the user, in one sentence. */
  readonly explanation: string
}

const row = (code: CloseCode, name: string, recovery: GatewayRecovery, explanation: string): CloseCodeDescription => ({
  code,
  name,
  recovery,
  explanation
})

/**
 * Table of every documented close code with its recovery.
 *
 * @category constants
 * @since 0.1.0
 */
export const closeCodes: ReadonlyArray<CloseCodeDescription> = [
  row(CloseCode.UnknownError, "Unknown error", "resume", "Something went wrong at Discord."),
  row(CloseCode.UnknownOpcode, "Unknown opcode", "resume", "A payload with an invalid opcode was sent."),
  row(CloseCode.DecodeError, "Decode error", "resume", "A payload was sent that Discord could not decode."),
  row(CloseCode.NotAuthenticated, "Not authenticated", "identify", "A payload was sent before IDENTIFY."),
  row(CloseCode.AuthenticationFailed, "Authentication failed", "fatal", "The bot's token is not valid."),
  row(CloseCode.AlreadyAuthenticated, "Already authenticated", "resume", "IDENTIFY was sent twice."),
  row(CloseCode.InvalidSeq, "Invalid seq", "identify", "The sequence of the RESUME was not one of the session."),
  row(CloseCode.RateLimited, "Rate limited", "resume", "More than 120 payloads were sent in 60 seconds."),
  row(CloseCode.SessionTimedOut, "Session timed out", "identify", "The session was not resumed in time."),
  row(CloseCode.InvalidShard, "Invalid shard", "fatal", "The shard's id or the number of shards is not valid."),
  row(CloseCode.ShardingRequired, "Sharding required", "fatal", "The bot is in too many guilds for so few shards."),
  row(CloseCode.InvalidApiVersion, "Invalid API version", "fatal", "Discord no longer serves this gateway version."),
  row(CloseCode.InvalidIntents, "Invalid intent(s)", "fatal", "The intents are not a valid combination of bits."),
  row(CloseCode.DisallowedIntents, "Disallowed intent(s)", "fatal", "A privileged intent is not enabled for the bot.")
]

const byCode = new Map<number, CloseCodeDescription>(closeCodes.map((description) => [description.code, description]))

/**
 * The table's row for a code; undefined for an undocumented one.
 *
 * @category getters
 * @since 0.1.0
 */
export const describeCloseCode = (code: number): CloseCodeDescription | undefined => byCode.get(code)

/**
 * Recovery from a close with this code; `resume` for an undocumented one.
 *
 * @category getters
 * @since 0.1.0
 */
export const recoveryOfCloseCode = (code: number): GatewayRecovery => byCode.get(code)?.recovery ?? "resume"
