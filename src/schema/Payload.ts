/**
 * Inbound gateway messages: a checked envelope, with `d` as it came. The types of `d` are those of discord-api-types.
 *
 * Hot path: the envelope is checked by hand, as a schema would copy `d`.
 */
import type { GatewayDispatchPayload } from "discord-api-types/v10"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import { MalformedPayload } from "./ConnectionError.ts"
import { GatewayOpcode } from "./GatewayOpcode.ts"

/**
 * An inbound gateway message of one shard.
 *
 * Discord, "Payload Structure": https://discord.com/developers/docs/events/gateway-events#payload-structure
 *
 * @category models
 * @since 0.1.0
 */
export interface Payload {
  /** A `GatewayOpcode`, or an undocumented opcode. */
  readonly op: number
  /** Data of the event, any JSON. */
  readonly d: unknown
  /** Sequence of a dispatch (RESUMED may have none), otherwise null. */
  readonly s: number | null
  /** Name of a dispatch, otherwise null. */
  readonly t: string | null
  /** Number of the shard that received it. */
  readonly shard: number
  /**
   * True for a GUILD_CREATE of `GuildSnapshots`, which Discord did not send: the guild as its events had left it. Its sequence is
   * that from which the session is resumed.
   */
  readonly replayed?: true
}

/**
 * Data of the dispatches by their names, as discord-api-types has it: `DispatchData["MESSAGE_CREATE"]`.
 *
 * @category models
 * @since 0.1.0
 */
export type DispatchData = { [P in GatewayDispatchPayload as `${P["t"]}`]: P["d"] }

/**
 * Name of a dispatch whose data has a type: `"MESSAGE_CREATE"`.
 *
 * @category models
 * @since 0.1.0
 */
export type DispatchName = keyof DispatchData

/**
 * A dispatch by name, its data typed by discord-api-types: `Dispatch<"MESSAGE_CREATE">`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Dispatch<Name extends DispatchName = DispatchName> extends Payload {
  readonly op: typeof GatewayOpcode.Dispatch
  readonly d: DispatchData[Name]
  readonly s: number
  readonly t: Name
}

/**
 * Union of dispatches, discriminated by `t`: `DispatchOf<"GUILD_CREATE" | "GUILD_DELETE">`.
 *
 * @category models
 * @since 0.1.0
 */
export type DispatchOf<Name extends DispatchName> = { readonly [N in Name]: Dispatch<N> }[Name]

/**
 * Guard for a dispatch by name. It does not check the data.
 *
 * ```ts
 * if (isDispatch(payload, "MESSAGE_CREATE")) payload.d.content
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isDispatch = <Name extends DispatchName>(payload: Payload, name: Name): payload is Dispatch<Name> =>
  payload.op === GatewayOpcode.Dispatch && payload.t === name

/** Tests for a dispatch with one of these names. */
export const isDispatchOf = (payload: Payload, names: ReadonlySet<string>): boolean =>
  payload.op === GatewayOpcode.Dispatch && payload.t !== null && names.has(payload.t)

/**
 * Decoder of a text frame. Its errors have nothing of the frame's content.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodePayload = (text: string, shard: number): Result.Result<Payload, MalformedPayload> => {
  const payload = payloadOf(text, shard)
  return "_tag" in payload ? Result.fail(payload) : Result.succeed(payload)
}

/**
 * Payload of a text frame, or the error in its place. Nothing is made for a frame but what JSON.parse makes and the payload:
 * measured, a result around each costs as much as all the checks.
 */
export const payloadOf = (text: string, shard: number): Payload | MalformedPayload => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return malformed(`a frame of ${text.length} characters is not JSON`)
  }
  if (!Predicate.isObject(value)) return malformed("the payload is not an object")
  const { op, d = null, s = null, t = null }: { op?: unknown; d?: unknown; s?: unknown; t?: unknown } = value
  if (!isCount(op)) return malformed("the payload's op is not an opcode")
  if (s !== null && !isCount(s)) return malformed("the payload's s is neither null nor a sequence")
  if (t !== null && typeof t !== "string") return malformed("the payload's t is neither null nor a name")
  if (op === GatewayOpcode.Dispatch && (t === null || (s === null && t !== "RESUMED"))) {
    return malformed("a dispatch has no sequence or no name")
  }
  return { op, d, s, t, shard }
}

const malformed = (description: string): MalformedPayload => new MalformedPayload({ description })

const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0
