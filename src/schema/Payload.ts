/**
 * What travels from Discord to us: the envelope of every gateway message, checked, with `d` left as it came.
 *
 * Source: Discord, "Gateway Event Payload Structure". The types of the events' data are those of discord-api-types.
 * This is the hot path: the envelope is checked by hand, a schema would copy `d`.
 */
import type { GatewayDispatchPayload } from "discord-api-types/v10"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import { MalformedPayload } from "./ConnectionError.ts"
import { GatewayOpcode } from "./GatewayOpcode.ts"

/** One inbound gateway message of one shard. */
export interface Payload {
  /** See `GatewayOpcode`. Opcodes that are not documented are passed on. */
  readonly op: number
  /** The event's data, any JSON. */
  readonly d: unknown
  /** The sequence of a dispatch (RESUMED may have none), otherwise null. */
  readonly s: number | null
  /** The name of a dispatch, otherwise null. */
  readonly t: string | null
  /** The number of the shard that it came through. */
  readonly shard: number
}

type DataByName = { [P in GatewayDispatchPayload as `${P["t"]}`]: P["d"] }

/** The name of a dispatch whose data has a type: `"MESSAGE_CREATE"`. */
export type DispatchName = keyof DataByName

/** A dispatch by name, its data typed by discord-api-types: `Dispatch<"MESSAGE_CREATE">`. */
export interface Dispatch<Name extends DispatchName = DispatchName> extends Payload {
  readonly op: typeof GatewayOpcode.Dispatch
  readonly d: DataByName[Name]
  readonly s: number
  readonly t: Name
}

/** A dispatch by one of several names, told apart by its `t`: `DispatchOf<"GUILD_CREATE" | "GUILD_DELETE">`. */
export type DispatchOf<Name extends DispatchName> = { readonly [N in Name]: Dispatch<N> }[Name]

/**
 * Narrows a payload to a dispatch by its name. The data is taken at Discord's word, it is not checked.
 *
 * ```ts
 * if (isDispatch(payload, "MESSAGE_CREATE")) payload.d.content
 * ```
 */
export const isDispatch = <Name extends DispatchName>(payload: Payload, name: Name): payload is Dispatch<Name> =>
  payload.op === GatewayOpcode.Dispatch && payload.t === name

/** Whether a payload is a dispatch by one of these names. */
export const isDispatchOf = (payload: Payload, names: ReadonlySet<string>): boolean =>
  payload.op === GatewayOpcode.Dispatch && payload.t !== null && names.has(payload.t)

/** Reads a text frame, or says what is wrong with it. The description never has a word of the frame's content. */
export const decodePayload = (text: string, shard: number): Result.Result<Payload, MalformedPayload> => {
  const parsed = parseJson(text)
  return Result.isFailure(parsed) ? Result.fail(parsed.failure) : checkEnvelope(parsed.success, shard)
}

const malformed = (description: string) => Result.fail(new MalformedPayload({ description }))

const parseJson = (text: string): Result.Result<unknown, MalformedPayload> =>
  Result.try({
    try: (): unknown => JSON.parse(text),
    catch: () => new MalformedPayload({ description: `a frame of ${text.length} characters is not JSON` })
  })

const checkEnvelope = (value: unknown, shard: number): Result.Result<Payload, MalformedPayload> => {
  if (!Predicate.isObject(value)) return malformed("the payload is not an object")
  const { op, d = null, s = null, t = null }: { op?: unknown; d?: unknown; s?: unknown; t?: unknown } = value
  if (!isCount(op)) return malformed("the payload's op is not an opcode")
  if (s !== null && !isCount(s)) return malformed("the payload's s is neither null nor a sequence")
  if (t !== null && typeof t !== "string") return malformed("the payload's t is neither null nor a name")
  if (op === GatewayOpcode.Dispatch && (t === null || (s === null && t !== "RESUMED"))) {
    return malformed("a dispatch has no sequence or no name")
  }
  return Result.succeed({ op, d, s, t, shard })
}

const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0
