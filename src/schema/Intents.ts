/**
 * Gateway intents: the groups of events that a bot asks for in IDENTIFY, as a bit field.
 */
import type * as Result from "effect/Result"
import { parseBitField } from "./BitField.ts"

/**
 * Documented intents by name: `Intents.GUILD_MESSAGES` is `512`.
 *
 * Discord, "Gateway Intents": https://discord.com/developers/docs/events/gateway#gateway-intents
 *
 * @category constants
 * @since 0.1.0
 */
export const Intents = {
  GUILDS: 1 << 0,
  /** Privileged. */
  GUILD_MEMBERS: 1 << 1,
  GUILD_MODERATION: 1 << 2,
  GUILD_EXPRESSIONS: 1 << 3,
  GUILD_INTEGRATIONS: 1 << 4,
  GUILD_WEBHOOKS: 1 << 5,
  GUILD_INVITES: 1 << 6,
  GUILD_VOICE_STATES: 1 << 7,
  /** Privileged. */
  GUILD_PRESENCES: 1 << 8,
  GUILD_MESSAGES: 1 << 9,
  GUILD_MESSAGE_REACTIONS: 1 << 10,
  GUILD_MESSAGE_TYPING: 1 << 11,
  DIRECT_MESSAGES: 1 << 12,
  DIRECT_MESSAGE_REACTIONS: 1 << 13,
  DIRECT_MESSAGE_TYPING: 1 << 14,
  /** Privileged. It adds no events, but the content of messages. */
  MESSAGE_CONTENT: 1 << 15,
  GUILD_SCHEDULED_EVENTS: 1 << 16,
  AUTO_MODERATION_CONFIGURATION: 1 << 20,
  AUTO_MODERATION_EXECUTION: 1 << 21,
  GUILD_MESSAGE_POLLS: 1 << 24,
  DIRECT_MESSAGE_POLLS: 1 << 25
} as const

/**
 * Name of a documented intent.
 *
 * @category models
 * @since 0.1.0
 */
export type IntentName = keyof typeof Intents

/**
 * Intents as names, as a bit field, or as text such as `"GUILDS,GUILD_MESSAGES"`.
 *
 * @category models
 * @since 0.1.0
 */
export type IntentsInput = number | string | ReadonlyArray<IntentName>

const isIntentName = (name: string): name is IntentName => Object.hasOwn(Intents, name)

/**
 * Every documented intent, in the order of the bits.
 *
 * @category constants
 * @since 0.1.0
 */
export const intentNames: ReadonlyArray<IntentName> = Object.keys(Intents).filter(isIntentName)

/**
 * Intents that must be enabled in the Developer Portal; otherwise Discord closes the connection with 4014.
 *
 * Discord, "Privileged Intents": https://discord.com/developers/docs/events/gateway#privileged-intents
 *
 * @category constants
 * @since 0.1.0
 */
export const privilegedIntents: ReadonlyArray<IntentName> = ["GUILD_MEMBERS", "GUILD_PRESENCES", "MESSAGE_CONTENT"]

/**
 * Names of the documented bits in a bit field.
 *
 * @category getters
 * @since 0.1.0
 */
export const namesOfIntents = (bits: number): ReadonlyArray<IntentName> =>
  intentNames.filter((name) => (bits & Intents[name]) !== 0)

/**
 * Names of the privileged intents in a bit field.
 *
 * @category getters
 * @since 0.1.0
 */
export const privilegedIntentsIn = (bits: number): ReadonlyArray<IntentName> =>
  privilegedIntents.filter((name) => (bits & Intents[name]) !== 0)

/**
 * Parser of intents into a bit field. Fails with a message.
 *
 * ```ts
 * parseIntents("GUILDS, GUILD_MESSAGES") // Result.succeed(513)
 * parseIntents("513") // Result.succeed(513)
 * parseIntents(["GUILDS"]) // Result.succeed(1)
 * parseIntents("GUILD_MESAGES") // Result.fail('"GUILD_MESAGES" is not an intent. …')
 * ```
 *
 * Undocumented bits pass, for Discord to judge.
 *
 * @category parsing
 * @since 0.1.0
 */
export const parseIntents = (input: IntentsInput): Result.Result<number, string> =>
  parseBitField({ bits: Intents, one: "an intent", many: "intents" }, input)
