/**
 * The dispatches that a subscriber wants, by their names.
 */
import { GatewayOpcode } from "../schema/GatewayOpcode.ts"
import type { Payload } from "../schema/Payload.ts"

/** Names of dispatches; undefined for every payload. */
export type Wanted = ReadonlySet<string> | undefined

/** True for a payload that is wanted. */
export const isWanted = ({ op, t }: Payload, wanted: Wanted): boolean =>
  wanted === undefined || (op === GatewayOpcode.Dispatch && t !== null && wanted.has(t))

/** Set inclusion: true where a subscriber wants everything that the other one wanted. */
export const covers = (wanted: Wanted, other: Wanted): boolean =>
  wanted === undefined || (other !== undefined && [...other].every((name) => wanted.has(name)))

/** Set union. */
export const union = (wanted: Wanted, other: Wanted): Wanted =>
  wanted === undefined || other === undefined ? undefined : new Set([...wanted, ...other])
