/**
 * Gateway capabilities: what a client says in IDENTIFY that it can deal with, as a bit field.
 */
import type * as Result from "effect/Result"
import { parseBitField } from "./BitField.ts"

/**
 * Documented capabilities by name: `Capabilities.CHANNEL_OBFUSCATION` is `32768`.
 *
 * Discord, "Gateway Capabilities": https://discord.com/developers/docs/events/gateway-events#identify-gateway-capabilities
 *
 * @category constants
 * @since 0.1.0
 */
export const Capabilities = {
  /** Channels that the bot cannot view come with obfuscated metadata. Discord calls it a temporary opt-in for tests. */
  CHANNEL_OBFUSCATION: 1 << 15
} as const

/**
 * Name of a documented capability.
 *
 * @category models
 * @since 0.1.0
 */
export type CapabilityName = keyof typeof Capabilities

/**
 * Capabilities as names, as a bit field, or as text such as `"CHANNEL_OBFUSCATION"`.
 *
 * @category models
 * @since 0.1.0
 */
export type CapabilitiesInput = number | string | ReadonlyArray<CapabilityName>

/** Parser of capabilities into a bit field. Fails with a message. */
export const parseCapabilities = (input: CapabilitiesInput): Result.Result<number, string> =>
  parseBitField({ bits: Capabilities, one: "a capability", many: "capabilities" }, input)
